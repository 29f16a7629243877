// Lesson 5: one layer used twice, and a loss of your own. A siamese network sees pairs of points and is only told
// whether they belong together; it learns which direction matters. Prints:
//
//   parameters: embed.weight
//   distance of points that differ in what matters: more than 1
//   distance of points that differ in noise: less than 0.3
#include <gradc/gradc.h>

#include <cmath>
#include <iostream>
#include <random>

using namespace gradc;

Expr squared_distance(const Expr& a, const Expr& b) { return sum(square(a - b), {.axis = {1}}); }

// Contrastive loss (Hadsell, Chopra, LeCun 2006) over squared distances: pairs of the same kind are pulled together,
// others pushed apart until they are 2 from each other. A loss is a function from expressions to an expression.
Expr contrastive(const Expr& distance, const Expr& same) {
  return mean(same * distance + (1 - same) * relu(4 - distance));
}

int main() {
  Model m("siamese");
  Dim n = m.dim("N");
  Expr a = m.input("a", f32, {n, 2}), b = m.input("b", f32, {n, 2}), same = m.input("same", f32, {n});

  // A layer as an object: each call uses the same parameters, whose gradient is the sum over the calls.
  Linear embed(m, "embed", /*in=*/2, /*units=*/2, /*bias=*/false);
  Expr distance = squared_distance(embed(a), embed(b));
  m.output("distance", sqrt(distance));
  Program train = m.minimize("train", contrastive(distance, same), adam({.learning_rate = 0.05}));

  // The kind of a point is the sign of its first coordinate; the second one is noise.
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> as, bs, together;
  for (int i = 0; i < 256; ++i) {
    const float p = normal(random) < 0 ? -1.0F : 1.0F, q = normal(random) < 0 ? -1.0F : 1.0F;
    as.insert(as.end(), {p, normal(random)});
    bs.insert(bs.end(), {q, normal(random)});
    together.push_back(p == q ? 1.0F : 0.0F);
  }

  Executable step = compile(m, train);
  State state = m.init(/*seed=*/0);
  std::cout << "parameters:";
  for (const std::string& name : state.names())
    if (name.ends_with(".weight") || name.ends_with(".bias")) std::cout << " " << name;
  for (int i = 0; i < 100; ++i) step(state, {{"a", as}, {"b", bs}, {"same", together}});

  // Two pairs: the first differs in the kind, the second in the noise.
  Result r = compile(m, "predict")(state, {{"a", {-1.0F, 0.0F, 1.0F, -1.0F}}, {"b", {1.0F, 0.0F, 1.0F, 1.0F}}});
  const double kind = r["distance"].get(0), noise = r["distance"].get(1);
  std::cout << "\ndistance of points that differ in what matters: " << kind
            << "\ndistance of points that differ in noise: " << noise << "\n";
  return kind > 1 && noise < 0.3 ? 0 : 1;
}
