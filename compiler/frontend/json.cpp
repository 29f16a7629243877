// Builds the located tree from nlohmann's SAX events; a cursor that follows them through the text finds the places.
#include "compiler/frontend/json.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "ir/code_point.h"

namespace gradc {

JsonSource::JsonSource(std::string name, std::string content)
    : file(std::make_shared<const std::string>(std::move(name))), text(std::move(content)) {
  lines.push_back(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);  // a byte order mark is no column
  std::size_t continuations = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % kBlock == 0) continuations_.push_back(continuations);
    if (text[i] == '\n') lines.push_back(i + 1);
    if (continues_code_point(text[i])) ++continuations;
  }
  continuations_.push_back(continuations);
}

std::size_t JsonSource::code_points_before(std::size_t offset) const {
  std::size_t block = offset / kBlock;
  std::string_view rest = std::string_view(text).substr(block * kBlock, offset - block * kBlock);
  return offset - continuations_[block] - static_cast<std::size_t>(std::ranges::count_if(rest, continues_code_point));
}

Location JsonSource::at(std::size_t offset) const {
  offset = std::clamp(offset, lines[0], text.size());
  auto next = std::upper_bound(lines.begin(), lines.end(), offset);
  auto line = static_cast<std::size_t>(next - lines.begin());
  Location location;
  location.file = file;
  location.line = static_cast<std::uint32_t>(line);
  location.column = static_cast<std::uint32_t>(code_points_before(offset) - code_points_before(lines[line - 1]) + 1);
  return location;
}

Location Json::inside(std::size_t index) const {
  const std::string& raw = source->text;
  std::size_t at = offset + 1;  // behind the opening quote
  for (std::size_t decoded = 0; decoded < index && at < raw.size() && raw[at] != '"';) {
    if (raw[at] != '\\') {
      ++at, ++decoded;
    } else if (at + 1 < raw.size() && raw[at + 1] == 'u') {
      unsigned code = 0;
      std::from_chars(raw.data() + at + 2, raw.data() + std::min(at + 6, raw.size()), code, 16);
      bool surrogate = code >= 0xD800 && code < 0xDC00;
      decoded += surrogate ? 4 : code >= 0x800 ? 3 : code >= 0x80 ? 2 : 1;
      at += surrogate ? 12 : 6;
    } else {
      at += 2, ++decoded;
    }
  }
  return source->at(at);
}

const JsonMember* Json::member(std::string_view key) const {
  for (const JsonMember& member : members)
    if (member.key == key) return &member;
  return nullptr;
}

const Json* Json::find(std::string_view key) const {
  const JsonMember* found = member(key);
  return found ? &found->value : nullptr;
}

Json* Json::find(std::string_view key) { return const_cast<Json*>(std::as_const(*this).find(key)); }

std::string Json::describe() const {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return boolean ? "true" : "false";
    case Kind::number:
      return text;
    case Kind::string:
      return text.size() <= 40 ? "\"" + text + "\"" : "a string";
    case Kind::array:
      return "a list";
    case Kind::object:
      return "an object";
  }
  internal_error("json kind");
}

namespace {

// Steps through the raw text in parallel to the parser's events.
class Cursor {
 public:
  explicit Cursor(const std::string& text) : text_(text) {
    if (text.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  // Offset of the next token, which is passed over.
  std::size_t token() {
    skip_between();
    std::size_t start = at_;
    if (at_ >= text_.size()) return start;
    if (text_[at_] == '"') {
      skip_string();
    } else if (std::string_view("{}[]").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    } else {
      while (at_ < text_.size() && std::string_view(",:{}[]\"/ \t\r\n").find(text_[at_]) == std::string_view::npos)
        ++at_;
    }
    return start;
  }

 private:
  void skip_between() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':') {
        ++at_;
      } else if (c == '/' && at_ + 1 < text_.size() && text_[at_ + 1] == '/') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '/' && at_ + 1 < text_.size() && text_[at_ + 1] == '*') {
        std::size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string::npos ? text_.size() : end + 2;
      } else {
        break;
      }
    }
  }

  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    at_ = std::min(at_ + 1, text_.size());
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

class Reader {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Reader(std::shared_ptr<const JsonSource> source, Diagnostics& diagnostics)
      : source_(std::move(source)), cursor_(source_->text), diagnostics_(diagnostics) {}

  bool null() { return leaf(Json::Kind::null), true; }
  bool boolean(bool value) { return leaf(Json::Kind::boolean).boolean = value, true; }
  bool number_integer(number_integer_t value) { return integer(value, std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) {
    if (value <= static_cast<number_unsigned_t>(INT64_MAX))
      return integer(static_cast<std::int64_t>(value), std::to_string(value));
    return number_float(static_cast<double>(value), std::to_string(value));
  }
  bool number_float(number_float_t value, const string_t& text) {
    Json& json = leaf(Json::Kind::number);
    json.number = value;
    json.text = text;
    if (std::floor(value) == value && std::abs(value) <= 9007199254740992.0) {
      json.integral = true;
      json.integer = static_cast<std::int64_t>(value);
    }
    return true;
  }
  bool string(string_t& value) { return leaf(Json::Kind::string).text = std::move(value), true; }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) {
    keys_.emplace_back();
    return open(Json::Kind::object);
  }
  bool start_array(std::size_t) { return open(Json::Kind::array); }
  bool end_object() {
    keys_.pop_back();
    return close();
  }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    key_offset_ = cursor_.token();
    if (!keys_.back().insert(name).second) {
      Diagnostic& error = diagnostics_.error(source_->at(key_offset_), "duplicate key `" + name + "`");
      error.notes.push_back({Severity::note, stack_.back()->member(name)->location(), "first given here", {}});
      failed_ = true;
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& exception) {
    std::string message = plain(exception.what());
    std::size_t offset = position == 0 ? 0 : position - 1;
    if (message.starts_with("number overflow")) {  // position is behind the number
      offset = cursor_.token();
      std::size_t end = source_->text.find_first_of(",:{}[]\"/ \t\r\n", offset);
      message = "number " + source_->text.substr(offset, end - offset) + " is too large";
    } else if (message == "invalid literal" || (message.starts_with("invalid number") && is_no_number(offset))) {
      message = explain_word(offset);
    } else if (source_->text.find_first_not_of(" \t\r\n") == std::string::npos) {
      message = "there is no text in it";
    }
    diagnostics_.error(source_->at(offset), message);
    failed_ = true;
    return false;
  }

  bool failed() const { return failed_; }
  Json take() { return std::move(root_); }

 private:
  // nlohmann's message without its head, "[json.exception…] parse error at line 2, column 6: syntax error while parsing
  // value - ", and without what was read last, which the caret shows.
  static std::string plain(std::string message) {
    std::size_t at = message.find("column ");
    if (at != std::string::npos) at = message.find(": ", at);
    if (at == std::string::npos) at = message.find("] ");
    if (at != std::string::npos) message.erase(0, at + 2);
    at = message.starts_with("syntax error") ? message.find(" - ") : std::string::npos;
    if (at != std::string::npos) message.erase(0, at + 3);
    const std::size_t read = message.find("; last read: "), expected = message.find("; expected ", read);
    if (read != std::string::npos)
      message = message.substr(0, read) + (expected == std::string::npos ? "" : message.substr(expected));
    return message;
  }

  // Whether the word that begins with the sign before `offset` is one for a float that JSON lacks.
  bool is_no_number(std::size_t offset) const {
    return offset < source_->text.size() && std::isalpha(static_cast<unsigned char>(source_->text[offset]));
  }

  // Of the word around `offset`, which is moved to its first letter.
  std::string explain_word(std::size_t& offset) const {
    const std::string& text = source_->text;
    const auto letter = [&](std::size_t i) {
      const unsigned char c = i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
      return std::isalnum(c) || c == '_' || c == '-' || c == '+' || c == '.' || c >= 0x80;
    };
    while (offset > 0 && letter(offset - 1)) --offset;
    std::size_t end = offset;
    while (letter(end) && end - offset < 40) ++end;
    const std::string word = text.substr(offset, end - offset);
    if (word.empty()) {
      const char c = offset < text.size() ? text[offset] : ' ';
      if (c == '\'') return "a string stands in double quotes";
      return "unexpected character" +
             (std::isprint(static_cast<unsigned char>(c)) ? " `" + std::string(1, c) + "`" : "");
    }
    std::string lower;
    for (const char c : word) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower.ends_with("nan") || lower.ends_with("inf") || lower.ends_with("infinity"))
      return "JSON has no number `" + word + "`";
    std::string advice = suggest(word, {"true", "false", "null"});
    if (advice.empty()) advice = "; a string stands in double quotes";
    return "`" + word + "` is no JSON value" + advice;
  }

  // Appends an empty value where the parser stands.
  Json& add() {
    if (stack_.empty()) return root_;
    Json& parent = *stack_.back();
    if (parent.kind == Json::Kind::array) return parent.items.emplace_back();
    JsonMember& member = parent.members.emplace_back();
    member.key = std::move(key_);
    member.offset = key_offset_;
    return member.value;
  }

  Json& leaf(Json::Kind kind) {
    Json& json = add();
    json.kind = kind;
    json.source = source_;
    json.offset = cursor_.token();
    return json;
  }

  bool integer(std::int64_t value, std::string text) {
    Json& json = leaf(Json::Kind::number);
    json.number = static_cast<double>(value);
    json.integral = true;
    json.integer = value;
    json.text = std::move(text);
    return true;
  }

  bool open(Json::Kind kind) {
    Json& json = leaf(kind);
    if (static_cast<int>(stack_.size()) >= kJsonDepth) {
      diagnostics_.error(json.location(), "nested deeper than " + std::to_string(kJsonDepth) + " levels");
      failed_ = true;
      return false;
    }
    stack_.push_back(&json);
    return true;
  }

  bool close() {
    cursor_.token();
    stack_.pop_back();
    return true;
  }

  std::shared_ptr<const JsonSource> source_;
  Cursor cursor_;
  Diagnostics& diagnostics_;
  Json root_;
  // Open containers. A container is only appended to while it is the innermost, so the pointers stay good.
  std::vector<Json*> stack_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the open objects
  std::string key_;
  std::size_t key_offset_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<Json> parse_json(const std::string& text, const std::string& file, Diagnostics& diagnostics) {
  auto source = std::make_shared<const JsonSource>(file, text);
  Reader reader(source, diagnostics);
  bool read = nlohmann::json::sax_parse(text.begin(), text.end(), &reader, nlohmann::json::input_format_t::json,
                                        /*strict=*/true, /*ignore_comments=*/true);
  if (!read || reader.failed()) return std::nullopt;
  return reader.take();
}

std::string quote_json(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string number_text(double number) {
  if (std::floor(number) == number && std::abs(number) < 1e15) return std::to_string(static_cast<std::int64_t>(number));
  std::array<char, 32> buffer{};
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

}  // namespace gradc
