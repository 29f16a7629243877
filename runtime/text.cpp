// Readers of text: characters as numbers of a vocabulary, in runs of one length or line by line.
#include <array>
#include <cstring>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

namespace {

// Numbers of the vocabulary's characters; -1 for what it does not have.
std::array<std::int32_t, 256> numbers_of(const std::string& vocabulary) {
  std::array<std::int32_t, 256> numbers{};
  numbers.fill(-1);
  for (std::size_t i = 0; i < vocabulary.size(); ++i)
    numbers[static_cast<unsigned char>(vocabulary[i])] = static_cast<std::int32_t>(i);
  return numbers;
}

// `first`, then the bytes that occur, sorted.
std::string vocabulary_of(const Bytes& bytes, const std::string& first) {
  std::array<bool, 256> used{};
  for (const std::byte b : bytes) used[std::to_integer<std::size_t>(b)] = true;
  std::string vocabulary = first;
  for (const char c : first) used[static_cast<unsigned char>(c)] = false;
  for (std::size_t c = 0; c < 256; ++c) {
    if (used[c]) vocabulary += static_cast<char>(c);
  }
  return vocabulary;
}

std::int32_t number_at(const std::array<std::int32_t, 256>& numbers, const Bytes& bytes, std::size_t at,
                       const std::string& path) {
  const auto byte = std::to_integer<std::size_t>(bytes[at]);
  if (numbers[byte] >= 0) return numbers[byte];
  const bool printable = byte > 32 && byte < 127;
  throw DataError(path, static_cast<std::int64_t>(at),
                  (printable ? std::string("the character `") + static_cast<char>(byte) + "`"
                             : "the byte " + std::to_string(byte)) +
                      " is not in the vocabulary, which is that of the training examples");
}

}  // namespace

Column read_text(const std::string& path, std::string name, std::int64_t length, std::string& vocabulary) {
  const Bytes bytes = read_maybe_gzip(path);
  if (vocabulary.empty()) vocabulary = vocabulary_of(bytes, "");
  const auto numbers = numbers_of(vocabulary);
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (length < 1 || size < length) {
    throw DataError(path, std::to_string(size) + " characters are fewer than one example of " + std::to_string(length));
  }
  Column column = make_column(std::move(name), GRADC_I32, {length}, size / length, path);
  const auto values = column.values<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = number_at(numbers, bytes, i, path);
  return column;
}

Column read_lines(const std::string& path, std::string name, std::int64_t length, std::string& vocabulary) {
  Bytes bytes = read_maybe_gzip(path);
  std::erase(bytes, std::byte{'\r'});
  if (vocabulary.empty()) vocabulary = vocabulary_of(bytes, "\n");
  const auto numbers = numbers_of(vocabulary);
  if (numbers['\n'] != 0)
    throw DataError(path, "the vocabulary, which is that of the training examples, has no line's end as number 0");
  struct Line {
    std::size_t begin, size;
  };
  std::vector<Line> lines;
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < bytes.size(); ++number) {
    std::size_t end = begin;
    while (end < bytes.size() && bytes[end] != std::byte{'\n'}) ++end;
    const std::size_t size = end - begin;
    if (static_cast<std::int64_t>(size) + 2 > length) {
      throw DataError(path, "line " + std::to_string(number) + " has " + std::to_string(size) + " characters, `" +
                                name + "` holds " + std::to_string(length) + " with a start and an end");
    }
    if (size > 0) lines.push_back({begin, size});
    begin = end + 1;
  }
  if (lines.empty()) throw DataError(path, "there is no line with a character");
  Column column = make_column(std::move(name), GRADC_I32, {length}, static_cast<std::int64_t>(lines.size()), path);
  std::int32_t* to = column.values<std::int32_t>().data();
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size; ++i) to[i + 1] = number_at(numbers, bytes, line.begin + i, path);
    to += length;
  }
  return column;
}

}  // namespace gradc::runtime
