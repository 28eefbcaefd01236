#include "memory.h"

#include "process.h"

namespace {

// Adds up what stands behind "Pss:" at the start of a line, read piece by piece: smaps holds a few
// hundred kB, and memory for them would be counted as the model's.
class PssSum {
 public:
  void add(char c) {
    if (c == '\n') {
      if (value_ > 0) total_kb_ += value_;
      found_ = found_ || value_ >= 0;
      matched_ = 0;
      value_ = -1;
    } else if (matched_ < kSize) {
      matched_ = matched_ >= 0 && c == kName[matched_] ? matched_ + 1 : kOtherLine;
    } else if (c >= '0' && c <= '9' && value_ < kMostKb) {
      value_ = (value_ < 0 ? 0 : value_) * 10 + (c - '0');
    }
  }

  int64_t total_kb() const { return found_ ? total_kb_ : -1; }

 private:
  static constexpr char kName[] = "Pss:";
  static constexpr int kSize = sizeof kName - 1, kOtherLine = -1;
  static constexpr int64_t kMostKb = int64_t{1} << 40;

  int matched_ = 0;
  int64_t value_ = -1, total_kb_ = 0;
  bool found_ = false;
};

int64_t pss_of(const char* path) {
  const int fd = open(path, kReadOnly | kCloseOnExec);
  if (fd < 0) return -1;
  PssSum sum;
  char piece[1024];
  long got;
  while ((got = read(fd, piece, sizeof piece)) > 0) {
    for (long i = 0; i < got; i++) sum.add(piece[i]);
  }
  close(fd);
  return got < 0 ? -1 : sum.total_kb();
}

}  // namespace

MemoryAt memory_now() {
  MemoryAt out;
  out.peak_kb = peak_memory_kb();
  out.pss_kb = pss_of("/proc/self/smaps_rollup");
  // Android 8.1 and older, and kernels before 4.14, have the parts of the sum alone.
  if (out.pss_kb < 0) out.pss_kb = pss_of("/proc/self/smaps");
  return out;
}
