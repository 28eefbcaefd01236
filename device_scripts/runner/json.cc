#include "json.h"

namespace {

// The length of the UTF-8 sequence at `at`, or 0 when it is not one (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
size_t utf8_length(const uint8_t* at, size_t left) {
  const uint8_t first = at[0];
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > left) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
  const bool beyond = (first == 0xed && at[1] > 0x9f) || (first == 0xf4 && at[1] > 0x8f);
  return overlong || beyond ? 0 : length;
}

bool finite(double value) { return value - value == 0; }

}  // namespace

void Json::begin_object(const char* key) {
  name(key);
  put("{");
  comma_ = false;
}

void Json::end_object() {
  put("}");
  comma_ = true;
}

void Json::begin_list(const char* key) {
  name(key);
  put("[");
  comma_ = false;
}

void Json::end_list() {
  put("]");
  comma_ = true;
}

void Json::text(const char* key, const char* value) {
  name(key);
  const size_t size = strlen(value);
  quoted(value, size < kMaxText ? size : kMaxText);
}

void Json::integer(const char* key, int64_t value) {
  char digits[32];
  snprintf(digits, sizeof digits, "%lld", static_cast<long long>(value));
  name(key);
  put(digits);
}

void Json::real(const char* key, double value) {
  if (!finite(value)) return null(key);
  char digits[40];
  snprintf(digits, sizeof digits, "%.17g", value);
  name(key);
  put(digits);
}

void Json::null(const char* key) {
  name(key);
  put("null");
}

void Json::micros(const char* key, uint64_t nanoseconds) {
  char digits[40];
  snprintf(digits, sizeof digits, "%llu.%03u", static_cast<unsigned long long>(nanoseconds / 1000),
           static_cast<unsigned>(nanoseconds % 1000));
  name(key);
  put(digits);
}

void Json::hex32(const char* key, uint32_t value) {
  char digits[16];
  snprintf(digits, sizeof digits, "%08x", value);
  text(key, digits);
}

bool Json::finish() {
  put("\n");
  flush();
  return !failed_;
}

void Json::name(const char* key) {
  if (comma_) put(",");
  comma_ = true;
  if (key == nullptr) return;
  quoted(key, strlen(key));
  put(":");
}

void Json::quoted(const char* value, size_t size) {
  put("\"");
  const uint8_t* at = reinterpret_cast<const uint8_t*>(value);
  while (size > 0) {
    const size_t length = utf8_length(at, size);
    char escape[8];
    if (length == 0) {
      put("\\ufffd");
    } else if (*at < 0x20 || *at == 0x7f) {
      snprintf(escape, sizeof escape, "\\u%04x", *at);
      put(escape);
    } else {
      if (*at == '"' || *at == '\\') put("\\");
      put(reinterpret_cast<const char*>(at), length);
    }
    at += length == 0 ? 1 : length;
    size -= length == 0 ? 1 : length;
  }
  put("\"");
}

void Json::put(const char* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (held_ == sizeof buffer_) flush();
    buffer_[held_++] = bytes[i];
  }
}

void Json::flush() {
  size_t done = 0;
  while (done < held_ && !failed_) {
    const long wrote = write(fd_, buffer_ + done, held_ - done);
    if (wrote > 0) done += static_cast<size_t>(wrote);
    else failed_ = wrote == 0 || last_error() != 4;  // 4: EINTR
  }
  held_ = 0;
}
