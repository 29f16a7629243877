// Columns count code points of UTF-8, not bytes.
#pragma once

namespace gradc {

// Whether a byte goes on with the code point before it.
constexpr bool continues_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace gradc
