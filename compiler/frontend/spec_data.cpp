// The data section of a spec: where the examples of each split come from.
#include <algorithm>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

const std::vector<std::string> kFormats = {"cifar", "csv", "idx", "npy", "npz", "text"};
const std::vector<std::string> kGenerators = {"glyphs", "rings", "spiral", "three_modes", "xor"};

}  // namespace

void SpecReader::read_generator(const Json& json, DataSet& set) {
  if (!expect(json, Json::Kind::object, "`generate`")) throw Poisoned{};
  const Json* kind = json.find("kind");
  if (!kind)
    throw UserError(json.location(), "`generate` needs a `kind`, as in { \"kind\": \"spiral\", \"examples\": 1000 }");
  set.generator = string_of(*kind, "`kind`");
  if (!std::count(kGenerators.begin(), kGenerators.end(), set.generator))
    throw UserError(kind->location(),
                    "unknown generator `" + set.generator + "`" + suggest(set.generator, kGenerators));
  for (const JsonMember& member : json.members) {
    if (member.key == "kind") continue;
    std::string what = set.generator + ": `" + member.key + "`";
    double value = member.key == "examples" ? static_cast<double>(integer_of(member.value, globals_, what, 1))
                                            : number_of(member.value, globals_, what);
    set.options.emplace_back(member.key, value);
  }
}

DataSet SpecReader::read_data_set(const Json& json, const std::string& what) {
  if (!expect(json, Json::Kind::object, what)) throw Poisoned{};
  DataSet set;
  set.location = json.location();
  std::vector<std::string> known = {"format", "generate"};
  for (const Value* input : model_->inputs()) known.push_back(input->name);
  if (!check_keys(json, known, what)) throw Poisoned{};
  for (const JsonMember& member : json.members) {
    if (member.key == "format") {
      set.format = string_of(member.value, what + ": `format`");
      if (!std::count(kFormats.begin(), kFormats.end(), set.format))
        throw UserError(member.value.location(), "unknown format `" + set.format + "`" + suggest(set.format, kFormats));
    } else if (member.key == "generate") {
      read_generator(member.value, set);
    } else {
      for (const std::string& file : strings_of(member.value, what + ": `" + member.key + "`"))
        set.files.emplace_back(member.key, file);
    }
  }
  if (!set.format.empty() && set.files.empty())
    throw UserError(json.location(), what + " has a `format` and no file for any input");
  if (set.format.empty() && !set.files.empty()) throw UserError(json.location(), what + " has files and no `format`");
  if (set.format.empty() && set.generator.empty())
    throw UserError(json.location(), what + " needs files with their `format`, or `generate`");
  return set;
}

void SpecReader::read_data() {
  const Json* json = section("data", Json::Kind::object);
  if (!json) return;
  DataSpec data;
  check_keys(*json, {"train", "validation", "test", "batch"}, "data");
  guarded([&] {
    if (const Json* batch = json->find("batch")) batch_ = integer_of(*batch, globals_, "data: `batch`", 1);
  });
  for (auto [key, set] : {std::pair{"train", &data.train}, {"test", &data.test}})
    if (const Json* split = json->find(key))
      guarded([&, set = set] { *set = read_data_set(*split, "data: `" + std::string(key) + "`"); });
  guarded([&] {
    const Json* validation = json->find("validation");
    const Json* fraction = validation ? validation->find("fraction") : nullptr;
    if (fraction) {
      if (!check_keys(*validation, {"fraction"}, "data: `validation`")) throw Poisoned{};
      data.validation_fraction = number_of(*fraction, globals_, "data: `fraction`");
      if (!(data.validation_fraction >= 0 && data.validation_fraction < 1))
        throw UserError(fraction->location(), "data: `fraction` must be at least 0 and less than 1, got " +
                                                  number_text(data.validation_fraction));
    } else if (validation) {
      data.validation = read_data_set(*validation, "data: `validation`");
    }
  });
  resolved_.data = to_json(*json);
  model_->set_data(std::move(data));
}

}  // namespace gradc
