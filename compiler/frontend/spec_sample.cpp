// The `sample` section: what `gradc sample` draws from a trained model, as one program in evaluation mode.
#include "compiler/frontend/spec_reader.h"

namespace gradc {

void SpecReader::read_sample() {
  const Json* json = section("sample", Json::Kind::object);
  if (!json) return;
  guarded([&] {
    if (!check_keys(*json, {"outputs"}, "sample")) throw Poisoned{};
    const Json* outputs = json->find("outputs");
    if (!outputs)
      throw UserError(json->location(),
                      "sample needs `outputs`, as in \"outputs\": { \"image\": \"sigmoid(decoded)\" }");
    ProgramRequest request;
    request.name = "sample";
    request.location = json->location();
    request.batch = 1;
    std::vector<std::pair<std::string, std::string>> shown;
    request.outputs = read_results(*outputs, "sample: `outputs`", shown);
    if (request.outputs.empty()) throw UserError(outputs->location(), "sample: `outputs` names nothing");
    resolved_.sample = "{ \"outputs\": " + object_text(shown) + " }";
    model_->add_program(std::move(request));
  });
}

}  // namespace gradc
