// The data section of a spec: where the examples of each split come from.
#include <algorithm>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

const std::vector<std::string>& data_formats() {
  static const std::vector<std::string> names = {"cifar", "csv", "idx", "image", "lines", "npy", "npz", "text"};
  return names;
}

const std::vector<std::string>& data_generators() {
  static const std::vector<std::string> names = {"blobs", "discs",  "glyphs",      "rings",
                                                 "sine",  "spiral", "three_modes", "xor"};
  return names;
}

void SpecReader::read_generator(const Json& json, DataSet& set) {
  if (!expect(json, Json::Kind::object, "`generate`")) throw Poisoned{};
  const Json* kind = json.find("kind");
  if (!kind)
    throw UserError(json.location(), "`generate` needs a `kind`, as in { \"kind\": \"spiral\", \"examples\": 1000 }");
  set.generator = string_of(*kind, "`kind`");
  if (!std::count(data_generators().begin(), data_generators().end(), set.generator))
    throw UserError(kind->location(),
                    "unknown generator `" + set.generator + "`" + suggest_or_list(set.generator, data_generators()));
  if (options_.generator_options) {
    std::vector<std::string> known = {"kind"};
    for (const auto& [option, preset] : options_.generator_options(set.generator)) known.push_back(option);
    if (!check_keys(json, known, set.generator)) throw Poisoned{};
  }
  for (const JsonMember& member : json.members) {
    if (member.key == "kind") continue;
    std::string what = set.generator + ": `" + member.key + "`";
    double value = member.key == "examples" ? static_cast<double>(integer_of(member.value, globals_, what, 1))
                                            : number_of(member.value, globals_, what);
    if (options_.wrong_generator_option)
      if (const std::string wrong = options_.wrong_generator_option(set.generator, member.key, value); !wrong.empty())
        throw UserError(member.value.location(), set.generator + ": " + wrong);
    set.options.emplace_back(member.key, value);
  }
}

DataSet SpecReader::read_data_set(const Json& json, const std::string& what) {
  if (!expect(json, Json::Kind::object, what)) throw Poisoned{};
  DataSet set;
  set.location = json.location();
  std::vector<std::string> known = {"format", "generate"};
  for (const Value* input : model_->inputs()) known.push_back(input->name);
  if (const Json* inputs = root_.find("inputs"))  // those with a mistake too, which is told already
    for (const JsonMember& member : inputs->members)
      if (!std::count(known.begin(), known.end(), member.key)) known.push_back(member.key);
  if (!check_keys(json, known, what)) throw Poisoned{};
  for (const JsonMember& member : json.members) {
    if (member.key == "format") {
      set.format = string_of(member.value, what + ": `format`");
      if (!std::count(data_formats().begin(), data_formats().end(), set.format))
        throw UserError(member.value.location(),
                        "unknown format `" + set.format + "`" + suggest_or_list(set.format, data_formats()));
    } else if (member.key == "generate") {
      read_generator(member.value, set);
    } else {
      for (const std::string& file : strings_of(member.value, what + ": `" + member.key + "`")) {
        set.files.emplace_back(member.key, file);
        set.places.push_back(member.value.location());
      }
    }
  }
  if (!set.format.empty() && set.files.empty())
    throw UserError(json.location(), what + " has a `format` and no file for any input");
  if (set.format.empty() && !set.files.empty()) throw UserError(json.location(), what + " has files and no `format`");
  if (set.format.empty() && set.generator.empty())
    throw UserError(json.location(), what + " needs files with their `format`, or `generate`");
  return set;
}

void SpecReader::read_validation(const Json& json, DataSpec& data) {
  const Json* fraction = json.find("fraction");
  if (!fraction) {
    data.validation = read_data_set(json, "data: `validation`");
    return;
  }
  if (!check_keys(json, {"fraction"}, "data: `validation`")) throw Poisoned{};
  data.validation_fraction = number_of(*fraction, globals_, "data: `fraction`");
  if (!(data.validation_fraction >= 0 && data.validation_fraction < 1))
    throw UserError(fraction->location(), "data: `fraction` must be at least 0 and less than 1, got " +
                                              number_text(data.validation_fraction));
}

Resample SpecReader::read_resample(const Json& json) {
  const std::string what = "data: `resample`";
  if (!expect(json, Json::Kind::object, what)) throw Poisoned{};
  Resample resample;
  resample.location = json.location();
  const Json* kind = json.find("kind");
  if (!kind)
    throw UserError(json.location(),
                    what + " needs a `kind`, as in { \"kind\": \"k_fold\", \"folds\": 5, \"fold\": 0 }");
  const std::vector<std::string> kinds = {"bootstrap", "k_fold"};
  const std::string& name = string_of(*kind, what + ": `kind`");
  if (!std::count(kinds.begin(), kinds.end(), name))
    throw UserError(kind->location(), what + ": unknown kind `" + name + "`" + suggest_or_list(name, kinds));
  std::vector<std::string> known = {"kind", "seed"};
  if (name == "k_fold") known.insert(known.end(), {"folds", "fold"});
  if (!check_keys(json, known, what)) throw Poisoned{};
  resample.kind = name == "k_fold" ? Resample::Kind::k_fold : Resample::Kind::bootstrap;
  if (const Json* seed = json.find("seed")) resample.seed = integer_of(*seed, globals_, what + ": `seed`", 0);
  if (const Json* folds = json.find("folds")) {
    resample.folds = integer_of(*folds, globals_, what + ": `folds`", 1);
    if (resample.folds < 2) throw UserError(folds->location(), what + ": `folds` must be at least 2, got 1");
  }
  if (const Json* fold = json.find("fold")) {
    resample.fold = integer_of(*fold, globals_, what + ": `fold`", 0);
    if (resample.fold >= resample.folds)
      throw UserError(fold->location(), what + ": `fold` is " + std::to_string(resample.fold) + ", the " +
                                            std::to_string(resample.folds) + " folds are 0 to " +
                                            std::to_string(resample.folds - 1));
  }
  return resample;
}

// A split as it is given, with the presets of its generator's options.
std::string SpecReader::resolved_split(const Json& json, const DataSet& set) const {
  JsonMembers shown;
  for (const JsonMember& member : json.members) {
    if (member.key != "generate") {
      shown.emplace_back(member.key, to_json(member.value));
      continue;
    }
    JsonMembers options;
    for (const JsonMember& option : member.value.members) options.emplace_back(option.key, to_json(option.value));
    if (options_.generator_options)
      for (const auto& [option, preset] : options_.generator_options(set.generator))
        if (!member.value.find(option)) options.emplace_back(option, number_text(preset));
    shown.emplace_back(member.key, object_text(options));
  }
  return object_text(shown);
}

std::string SpecReader::resolved_data(const Json& json, const DataSpec& data) const {
  JsonMembers shown;
  for (const auto& [key, set] :
       {std::pair{"train", &data.train}, {"validation", &data.validation}, {"test", &data.test}})
    if (*set) shown.emplace_back(key, resolved_split(*json.find(key), **set));
  if (data.validation_fraction > 0)
    shown.emplace_back("validation", object_text({{"fraction", number_text(data.validation_fraction)}}));
  const Resample& resample = data.resample;
  if (resample.kind == Resample::Kind::k_fold)
    shown.emplace_back("resample", object_text({{"kind", "\"k_fold\""},
                                                {"folds", std::to_string(resample.folds)},
                                                {"fold", std::to_string(resample.fold)},
                                                {"seed", std::to_string(resample.seed)}}));
  if (resample.kind == Resample::Kind::bootstrap)
    shown.emplace_back("resample", object_text({{"kind", "\"bootstrap\""}, {"seed", std::to_string(resample.seed)}}));
  shown.emplace_back("batch", std::to_string(batch_));
  return object_text(shown);
}

void SpecReader::read_data() {
  const Json* json = section("data", Json::Kind::object);
  if (!json) return;
  DataSpec data;
  check_keys(*json, {"train", "validation", "test", "resample", "batch"}, "data");
  guarded([&] {
    if (const Json* batch = json->find("batch")) batch_ = integer_of(*batch, globals_, "data: `batch`", 1);
  });
  for (auto [key, set] : {std::pair{"train", &data.train}, {"test", &data.test}})
    if (const Json* split = json->find(key))
      guarded([&, set = set] { *set = read_data_set(*split, "data: `" + std::string(key) + "`"); });
  guarded([&] {
    if (const Json* validation = json->find("validation")) read_validation(*validation, data);
  });
  guarded([&] {
    if (const Json* resample = json->find("resample")) data.resample = read_resample(*resample);
    const bool folds = data.resample.kind == Resample::Kind::k_fold;
    if (folds && data.validation)
      throw UserError(data.resample.location,
                      "data: `resample` makes one fold the validation split, but `validation` is given too");
    if (data.resample.kind != Resample::Kind::none && data.validation_fraction > 0)
      throw UserError(
          data.resample.location,
          "data: `resample` leaves examples for the validation split, but `validation` asks for a `fraction` too");
  });
  if (!diagnostics_.has_errors()) resolved_.data = resolved_data(*json, data);
  model_->set_data(std::move(data));
}

}  // namespace gradc
