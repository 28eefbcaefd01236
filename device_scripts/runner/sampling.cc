#include "sampling.h"

#include "failure.h"

namespace {

constexpr uint32_t kMaxWarmups = 1000000;

// When the latency has flattened: a fast and a slow moving average agree within 4 % more than 40
// times in a row, after at least 30 inferences and 250 ms. Rule and numbers are those of
// Jetpack Benchmark's WarmupManager (androidx.benchmark), where phones of many makers needed them.
class Flattening {
 public:
  bool reached(uint64_t latency_ns, uint64_t elapsed_ns) {
    const double latency = static_cast<double>(latency_ns);
    count_++;
    fast_ = count_ == 1 ? latency : 0.1 * latency + 0.9 * fast_;
    slow_ = count_ == 1 ? latency : 0.005 * latency + 0.995 * slow_;
    const bool close = fast_ < 1.04 * slow_ && fast_ > 0.96 * slow_;
    close_in_a_row_ = close ? close_in_a_row_ + 1 : 0;
    return count_ >= 30 && elapsed_ns >= 250000000 && close_in_a_row_ > 40;
  }

 private:
  double fast_ = 0, slow_ = 0;
  uint32_t count_ = 0, close_in_a_row_ = 0;
};

double square_root(double value) {
  double root = value > 1 ? value : 1;
  for (int i = 0; i < 60; i++) root = (root + value / root) / 2;
  return root;
}

// Puts the element of rank `rank` in its place, smaller ones before it and larger ones behind it
// (Hoare's quickselect), looking only at [first, last].
uint64_t select(uint64_t* values, uint32_t first, uint32_t last, uint32_t rank) {
  while (first < last) {
    const uint64_t pivot = values[first + (last - first) / 2];
    int64_t low = static_cast<int64_t>(first) - 1, high = static_cast<int64_t>(last) + 1;
    while (true) {
      do low++; while (values[low] < pivot);
      do high--; while (values[high] > pivot);
      if (low >= high) break;
      const uint64_t held = values[low];
      values[low] = values[high];
      values[high] = held;
    }
    if (rank <= static_cast<uint32_t>(high)) last = static_cast<uint32_t>(high);
    else first = static_cast<uint32_t>(high) + 1;
  }
  return values[rank];
}

// Whether the 95 % interval of the median is as narrow as asked: distribution-free, between the
// order statistics whose ranks are n/2 -+ 1.96 sqrt(n)/2, by the normal approximation of the
// binomial (W. J. Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2; J.-Y. Le
// Boudec, Performance Evaluation of Computer and Communication Systems, table of appendix A).
bool narrow_enough(const Latencies& samples, uint64_t* scratch, double interval) {
  const uint32_t n = samples.count;
  const double spread = 1.96 * square_root(n) / 2;
  if (n / 2.0 - spread < 1) return false;  // too few samples for an interval
  const uint32_t low = static_cast<uint32_t>(n / 2.0 - spread) - 1;  // ranks count from 0 here
  const uint32_t high = n - 1 - low;                                 // by symmetry
  const uint32_t middle = (n - 1) / 2;
  memcpy(scratch, samples.ns, n * sizeof(uint64_t));
  const uint64_t least = select(scratch, 0, n - 1, low);
  const uint64_t most = select(scratch, low, n - 1, high);
  uint64_t median = select(scratch, low, high, middle);
  if (n % 2 == 0) median = (median + select(scratch, middle, high, middle + 1)) / 2;
  return static_cast<double>(most - least) / 2 <= interval * static_cast<double>(median);
}

}  // namespace

uint64_t* reserve(uint32_t count) {
  void* memory = mmap(nullptr, count * sizeof(uint64_t), kProtectReadWrite, kMapPrivateAnonymous,
                      -1, 0);
  if (memory == reinterpret_cast<void*>(-1)) fail("Out of memory for %u samples.", count);
  return static_cast<uint64_t*>(memory);
}

uint64_t now_ns() {
  timespec time;
  clock_gettime(kClockMonotonic, &time);
  return static_cast<uint64_t>(time.seconds) * 1000000000 + static_cast<uint64_t>(time.nanoseconds);
}

uint64_t timed_inference(Session& session) {
  const uint64_t start = now_ns();
  const LiteRtStatus status = infer(session);
  const uint64_t end = now_ns();
  if (status != 0) fail("An inference failed: %s.", describe(status).text);
  return end - start;
}

Latencies warm_up(Session& session, uint64_t max_ns) {
  Latencies out;
  if (max_ns == 0) return out;
  out.ns = reserve(kMaxWarmups);
  Flattening flattening;
  const uint64_t start = now_ns();
  while (out.count < kMaxWarmups) {
    const uint64_t latency = timed_inference(session);
    const uint64_t elapsed = now_ns() - start;
    out.ns[out.count++] = latency;
    if (elapsed >= max_ns || flattening.reached(latency, elapsed)) break;
  }
  return out;
}

Latencies sample(Session& session, const Arguments& arguments, const char** stopped_by) {
  Latencies out;
  out.ns = reserve(arguments.max_samples);
  uint64_t* scratch = reserve(arguments.max_samples);
  const uint64_t start = now_ns();
  // Each look at the interval comes after a tenth more samples than the one before: a look costs
  // a few nanoseconds a sample, so all looks together stay below 1 us for each sample taken, and
  // few looks keep the bias of stopping at a lucky moment small.
  uint32_t next_look = arguments.min_samples;
  while (true) {
    out.ns[out.count++] = timed_inference(session);
    if (arguments.interval > 0 && out.count == next_look) {
      next_look += out.count / 10 + 1;
      *stopped_by = "interval";
      if (narrow_enough(out, scratch, arguments.interval)) return out;
    }
    *stopped_by = "max_samples";
    if (out.count == arguments.max_samples) return out;
    *stopped_by = "max_seconds";
    if (now_ns() - start >= arguments.max_ns) return out;
  }
}
