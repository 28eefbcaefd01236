// Writes one JSON document to a file descriptor, without heap: usable in a signal handler.
#pragma once

#include "libc.h"

class Json {
 public:
  explicit Json(int fd) : fd_(fd) {}

  // A nullptr key writes an element of a list, or the document itself.
  void begin_object(const char* key = nullptr);
  void end_object();
  void begin_list(const char* key);
  void end_list();

  // Bytes that are not UTF-8 become U+FFFD; texts longer than kMaxText bytes are cut.
  void text(const char* key, const char* value);
  void integer(const char* key, int64_t value);
  void real(const char* key, double value);  // null unless finite
  void null(const char* key);
  void micros(const char* key, uint64_t nanoseconds);  // microseconds, three decimals
  void hex32(const char* key, uint32_t value);         // eight digits, as text

  // Writes out what is held and a line end. False when the reader has gone.
  bool finish();

 private:
  static constexpr size_t kMaxText = 4096;

  void name(const char* key);
  void quoted(const char* value, size_t size);
  void put(const char* bytes, size_t size);
  void put(const char* literal) { put(literal, strlen(literal)); }
  void flush();

  int fd_;
  bool comma_ = false;
  bool failed_ = false;
  size_t held_ = 0;
  char buffer_[4096];
};
