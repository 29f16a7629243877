// What a user can mend, as the runtime says it: bad data, weights that don't fit, a disk that refuses.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gradc::runtime {

// Base of all. The text is one message without "error:", lower case, no final period; about a file, "FILE: MESSAGE".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message), message_(message) {}
  Error(const std::string& file, const std::string& message)
      : std::runtime_error(file.empty() ? message : file + ": " + message), file_(file), message_(message) {}
  const std::string& file() const { return file_; }        // "" where it is about none
  const std::string& message() const { return message_; }  // without the file

 private:
  std::string file_, message_;
};

// A file or a data set that is not what it should be: "FILE: byte 16: …", "FILE: line 3: …", "FILE: example 7: …".
class DataError : public Error {
 public:
  using Error::Error;
  DataError(const std::string& file, std::int64_t byte, const std::string& what)
      : Error(file, "byte " + std::to_string(byte) + ": " + what) {}
};

// Reading or writing failed in the system: "FILE: cannot write: No space left on device".
class FileError : public Error {
 public:
  using Error::Error;
};

// Weights of another model.
class WeightsError : public Error {
 public:
  struct Difference {
    std::string name, expected, found;  // types as "f32[10,20]"
  };
  WeightsError(const std::string& file, std::vector<std::string> missing, std::vector<std::string> unexpected,
               std::vector<Difference> different);
  const std::vector<std::string>& missing() const { return missing_; }        // in the model, not in the file
  const std::vector<std::string>& unexpected() const { return unexpected_; }  // in the file, not in the model
  const std::vector<Difference>& different() const { return different_; }
  // All of them, a sentence each; of many names the first.
  static std::vector<std::string> sentences(const std::vector<std::string>& missing,
                                            const std::vector<std::string>& unexpected,
                                            const std::vector<Difference>& different);

 private:
  std::vector<std::string> missing_, unexpected_;
  std::vector<Difference> different_;
};

}  // namespace gradc::runtime
