// Sums of products by letters: einsum, written as dot products from left to right.
#include <algorithm>
#include <cctype>
#include <map>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

// The letters of each operand's dimensions, and of the result's.
struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

bool has(const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; }

// Without "->", the result has the letters that appear once, sorted (NumPy's rule).
std::string implied_result(const std::string& letters) {
  std::string result;
  for (char letter : letters)
    if (std::count(letters.begin(), letters.end(), letter) == 1) result += letter;
  std::sort(result.begin(), result.end());
  return result;
}

void check_letters(const Call& call, const std::string& letters) {
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (!std::isalpha(static_cast<unsigned char>(letters[i])))
      call.fail("`equation` has letters, commas and one ->, got `" + std::string(1, letters[i]) + "` in `" +
                call.attributes.string("equation") + "`");
  }
}

Equation equation_of(const Call& call) {
  std::string text = call.attributes.string("equation");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  std::size_t arrow = text.find("->");
  std::string operands = text.substr(0, arrow), letters;
  Equation equation;
  equation.operands.emplace_back();
  for (char c : operands)
    if (c == ',')
      equation.operands.emplace_back();
    else
      equation.operands.back() += c;
  for (const std::string& operand : equation.operands) {
    check_letters(call, operand);
    letters += operand;
  }
  equation.result = arrow == std::string::npos ? implied_result(letters) : text.substr(arrow + 2);
  check_letters(call, equation.result);
  for (char letter : equation.result) {
    if (!has(letters, letter)) call.fail("the letter " + std::string(1, letter) + " of the result is in no operand");
    if (std::count(equation.result.begin(), equation.result.end(), letter) > 1)
      call.fail("the letter " + std::string(1, letter) + " stands twice in the result `" + equation.result + "`");
  }
  return equation;
}

Types infer_einsum(const Call& call) {
  Equation equation = equation_of(call);
  if (equation.operands.size() != call.operands.size())
    call.fail("`equation` names " + std::to_string(equation.operands.size()) + " operands, got " +
              std::to_string(call.operands.size()));
  std::map<char, Dim> size;
  for (std::size_t i = 0; i < call.operands.size(); ++i) {
    const Type& type = call.operand(i);
    const std::string& letters = equation.operands[i];
    if (type.dtype == DType::boolean) call.fail("takes numbers, got " + type.str());
    if (type.dtype != call.operand(0).dtype)
      call.fail("dtypes differ: " + call.operand(0).str() + " and " + type.str() + "; cast one of them");
    if (type.rank() != letters.size()) call.fail("`" + letters + "` does not fit the dimensions of " + type.str());
    for (std::size_t d = 0; d < letters.size(); ++d) {
      auto [found, added] = size.emplace(letters[d], type.shape[d]);
      if (!added && found->second != type.shape[d])
        call.fail("the letter " + std::string(1, letters[d]) + " is both " + found->second.str() + " and " +
                  type.shape[d].str());
    }
  }
  Type result{call.operand(0).dtype, {}};
  for (char letter : equation.result) result.shape.push_back(size[letter]);
  return {result};
}

struct Factor {
  Term value;
  std::string letters;
};

// The diagonal where a letter stands twice: what is off it becomes 0, and all but one of the letter's dimensions are
// summed over.
Factor diagonal(Builder& builder, Factor x) {
  for (std::size_t second = 0; second < x.letters.size();) {
    const std::size_t first = x.letters.find(x.letters[second]);
    if (first == second) {
      ++second;
      continue;
    }
    const Type type = x.value.type();
    const auto place = [&](std::size_t d) {
      return builder.term(builder.one(
          "iota", {}, {{"shape", type.shape}, {"dtype", DType::i64}, {"axis", static_cast<std::int64_t>(d)}}));
    };
    const Term on = apply("equal", {place(first), place(second)});
    x.value = reduce_sum(select(on, x.value, builder.term(builder.full(type, 0))), {static_cast<std::int64_t>(second)});
    x.letters.erase(second, 1);
  }
  return x;
}

// Sums over what is not needed.
Factor summed(Factor x, const std::string& needed) {
  IntList axes;
  std::string kept;
  for (std::size_t d = 0; d < x.letters.size(); ++d)
    if (has(needed, x.letters[d]))
      kept += x.letters[d];
    else
      axes.push_back(static_cast<std::int64_t>(d));
  return axes.empty() ? x : Factor{reduce_sum(x.value, axes), kept};
}

// One dot product: letters of both are batch where they are needed, and contracted where not.
Factor product(Factor a, Factor b, const std::string& needed) {
  a = summed(a, needed + b.letters);
  b = summed(b, needed + a.letters);
  IntList contract_a, contract_b, batch_a, batch_b;
  std::string batch, free_of_a, free_of_b;
  for (std::size_t d = 0; d < a.letters.size(); ++d) {
    char letter = a.letters[d];
    std::size_t other = b.letters.find(letter);
    if (other == std::string::npos) {
      free_of_a += letter;
      continue;
    }
    bool kept = has(needed, letter);
    if (kept) batch += letter;
    (kept ? batch_a : contract_a).push_back(static_cast<std::int64_t>(d));
    (kept ? batch_b : contract_b).push_back(static_cast<std::int64_t>(other));
  }
  for (char letter : b.letters)
    if (!has(a.letters, letter)) free_of_b += letter;
  Term value =
      apply("dot", {a.value, b.value},
            {{"contract_a", contract_a}, {"contract_b", contract_b}, {"batch_a", batch_a}, {"batch_b", batch_b}});
  return {value, batch + free_of_a + free_of_b};
}

Terms compose_einsum(Builder& builder, const Call& call, std::span<const Term> x) {
  Equation equation = equation_of(call);
  Factor all = diagonal(builder, {x[0], equation.operands[0]});
  for (std::size_t i = 1; i < x.size(); ++i) {
    std::string needed = equation.result;
    for (std::size_t later = i + 1; later < x.size(); ++later) needed += equation.operands[later];
    all = product(all, diagonal(builder, {x[i], equation.operands[i]}), needed);
  }
  all = summed(all, equation.result);
  IntList order;
  for (char letter : equation.result) order.push_back(static_cast<std::int64_t>(all.letters.find(letter)));
  return {all.letters == equation.result ? all.value : transpose(all.value, order)};
}

}  // namespace

void register_einsum(Registry& registry) {
  auto sample = [](std::initializer_list<std::string_view> operands, const char* equation) {
    std::vector<Type> all = types(operands);
    bool differentiable = is_float(all[0].dtype);
    return Sample{.operands = std::move(all),
                  .attributes = {{"equation", std::string(equation)}},
                  .differentiable = differentiable};
  };
  registry.add(
      {.name = "einsum",
       .doc = "Sum of products by letters (numpy.einsum): letters that the result lacks are summed over, as in "
              "\"ij,jk->ik\"; of a letter that stands twice in an operand the diagonal is taken. No ellipsis.",
       .kind = Kind::composite,
       .operands = {{"x", "numbers of one dtype", true}},
       .attributes = {{"equation",
                       AttributeKind::string,
                       "a letter for each dimension, operands apart by commas, after -> the result",
                       {}}},
       .infer = infer_einsum,
       .compose = compose_einsum,
       .samples = {sample({"f64[2,3]", "f64[3,5]"}, "ij,jk->ik"), sample({"f64[2,3]"}, "ij->ji"),
                   sample({"f64[2,3,4]", "f64[2,5,4]"}, "bik,bjk->bij"),
                   sample({"f64[2,3]", "f64[3,4]", "f64[4,2]"}, "ij,jk,kl->il"), sample({"f64[3]", "f64[2]"}, "i,j"),
                   sample({"f32[7,5]", "f32[7,11]"}, "ni,nj->"), sample({"f64[2,3,4]"}, "abc->b"),
                   sample({"f64[]", "f64[2]"}, ",i->i"), sample({"f64[0,3]", "f64[3]"}, "ij,j->i"),
                   sample({"i32[2,3]", "i32[2,3]"}, "ij,ij->j"), sample({"f64[3,3]"}, "ii"),
                   sample({"f64[3,2,3]", "f64[3]"}, "iji,i->ij"), sample({"f32[2,2,2]"}, "iii->i")}});
}

}  // namespace gradc
