// A JSON tree that knows where everything stands: line and column of every key and value, keys in their order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/diagnostic.h"

namespace gradc {

// A text and where its lines start.
struct JsonSource {
  std::shared_ptr<const std::string> file;
  std::string text;
  std::vector<std::size_t> lines;

  JsonSource(std::string file, std::string text);
  Location at(std::size_t offset) const;  // of a byte; its column counts code points

 private:
  static constexpr std::size_t kBlock = 256;
  std::size_t code_points_before(std::size_t offset) const;

  std::vector<std::size_t> continuations_;  // bytes inside of code points before each block
};

struct JsonMember;

// A value of the tree. Numbers keep their integer where they are one.
struct Json {
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  bool integral = false;  // a number written without point or exponent that fits an i64, or 1e3 and the like
  double number = 0;
  std::int64_t integer = 0;
  std::string text;  // a string's characters; a number as it was written
  std::vector<Json> items;
  std::vector<JsonMember> members;
  std::shared_ptr<const JsonSource> source;
  std::size_t offset = 0;  // of the value's first character

  bool is(Kind k) const { return kind == k; }
  Location location() const { return source->at(offset); }
  // The place of character `index` of a string's decoded text.
  Location inside(std::size_t index) const;
  const Json* find(std::string_view key) const;  // null where there is none
  const JsonMember* member(std::string_view key) const;
  Json* find(std::string_view key);
  std::string describe() const;  // "a string", "3", for messages
};

struct JsonMember {
  std::string key;
  std::size_t offset = 0;  // of the key's opening quote
  Json value;

  Location location() const { return value.source->at(offset); }
};

inline constexpr int kJsonDepth = 200;

// Parses one text. Comments are allowed; duplicate keys, deeper nesting than kJsonDepth and what is no JSON are errors,
// at their place. nullopt where there is an error.
std::optional<Json> parse_json(const std::string& text, const std::string& file, Diagnostics& diagnostics);

// JSON text of a string, with its quotes.
std::string quote_json(std::string_view text);
// The shortest decimal that reads back to the same number; integers without a point.
std::string number_text(double number);

}  // namespace gradc
