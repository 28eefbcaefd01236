#include "sampling.h"

#include "failure.h"

namespace {

constexpr uint32_t kMaxWarmups = 1000000;

// What comes and goes on a phone more slowly than this can't be seen in fewer samples, however
// many they are: schedulers and clock governors act every 4 to 100 ms. benchmark_model takes 1 s.
constexpr uint64_t kMinSpanNs = 500000000;

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

// Of a ratio of whole numbers, which may be below 1.
double root_of_ratio(int64_t over, int64_t under) {
  double ratio = static_cast<double>(over) / static_cast<double>(under), scale = 1;
  while (ratio < 1) ratio *= 4, scale /= 2;
  return scale * square_root(ratio);
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

// On which side of the median each sample lies, one bit a sample. The median is given twofold, so
// that the mean of two samples needs no rounding.
class Sides {
 public:
  explicit Sides(uint32_t most) : above_(reserve(words(most))), below_(reserve(words(most))) {}

  // How many samples in a row tell as much about the median as one independent sample: the
  // integrated autocorrelation time of their sides, added up in pairs of lags until a pair is
  // negative (C. J. Geyer, Practical Markov chain Monte Carlo, Statistical Science 7, 1992), and
  // corrected for chance. bench/stats/latency.py computes the same, and says more.
  double correlation_time(const Latencies& samples, uint64_t twofold_median) {
#pragma clang fp contract(off)
    sort_out(samples, twofold_median);
    const int64_t n = samples.count;
    const int64_t balance = above_count_ - below_count_, aside = above_count_ + below_count_;
    if (n * aside <= balance * balance) return 1;  // all at the median
    int64_t lags = 0, same = 0, weight = 0;
    for (int64_t lag = 0; lag < n - 1 && lag < kMaxLag; lag += 2) {
      const int64_t pair = (lag > 0 ? products(lag) : aside) + products(lag + 1);
      const int64_t pairs = 2 * (n - lag) - 1;
      if (n * n * pair <= balance * balance * pairs) break;  // at most 2e18: 1e6 samples
      lags += 2;
      same += pair;
      weight += pairs;
    }
    const double count = static_cast<double>(n);
    const double mean_square = static_cast<double>(balance * balance) / static_cast<double>(n * n);
    const double variance = static_cast<double>(aside) - count * mean_square;
    const double covariance =
        static_cast<double>(same) - static_cast<double>(weight) * mean_square;
    const double excess = 2 * covariance / variance - 1 - 1 - 3 / square_root(count);
    if (excess <= 0) return 1;
    return 1 + excess * (1 + root_of_ratio(4 * lags + 2, n));
  }

 private:
  static constexpr int64_t kMaxLag = 1000;  // a longer memory than that shows as a drift

  static uint32_t words(uint32_t count) { return count / 64 + 2; }  // one more, to shift from

  void sort_out(const Latencies& samples, uint64_t twofold_median) {
    count_ = samples.count;
    above_count_ = below_count_ = 0;
    memset(above_, 0, words(count_) * sizeof(uint64_t));
    memset(below_, 0, words(count_) * sizeof(uint64_t));
    for (uint32_t i = 0; i < count_; i++) {
      const uint64_t twofold = 2 * samples.ns[i];
      above_[i / 64] |= uint64_t{twofold > twofold_median} << i % 64;
      below_[i / 64] |= uint64_t{twofold < twofold_median} << i % 64;
      above_count_ += twofold > twofold_median;
      below_count_ += twofold < twofold_median;
    }
  }

  static uint64_t shifted(const uint64_t* bits, uint32_t word, uint32_t by) {
    return by == 0 ? bits[word] : bits[word] >> by | bits[word + 1] << (64 - by);
  }

  // Sum over samples: 1 for the same side as `lag` samples later, -1 for the other one.
  int64_t products(int64_t lag) const {
    const uint32_t by = static_cast<uint32_t>(lag) % 64, skipped = static_cast<uint32_t>(lag) / 64;
    int64_t sum = 0;
    for (uint32_t i = 0; i + skipped <= count_ / 64; i++) {
      const uint64_t above = shifted(above_, i + skipped, by);
      const uint64_t below = shifted(below_, i + skipped, by);
      sum += __builtin_popcountll((above_[i] & above) | (below_[i] & below));
      sum -= __builtin_popcountll((above_[i] & below) | (below_[i] & above));
    }
    return sum;
  }

  uint64_t* above_;
  uint64_t* below_;
  uint32_t count_ = 0;
  int64_t above_count_ = 0, below_count_ = 0;
};

// Rank, from 1, of the sample that bounds the median of `n` independent ones from below with 95 %
// confidence, by the binomial distribution; its mirror bounds it from above. Exact up to 70 samples,
// then by the normal approximation (W. J. Conover, Practical Nonparametric Statistics, 3rd ed.,
// section 3.2; J.-Y. Le Boudec, Performance Evaluation of Computer and Communication Systems,
// table of appendix A). 0: too few samples.
uint32_t low_rank(uint32_t n) {
#pragma clang fp contract(off)
  if (n > 70) return static_cast<uint32_t>(n / 2.0 - 1.96 / 2 * square_root(n));
  double chance = 1, tail = 0;
  for (uint32_t i = 0; i < n; i++) chance /= 2;
  uint32_t rank = 0;
  while ((tail += chance) <= 0.025) {
    chance = chance * (n - rank) / (rank + 1);
    rank++;
  }
  return rank;
}

// Whether the 95 % interval of the median is as narrow as asked: distribution-free, between order
// statistics. Serial dependence moves their ranks away from the middle, at most to the ends.
bool narrow_enough(const Latencies& samples, uint64_t* scratch, Sides& sides, double interval) {
#pragma clang fp contract(off)
  const uint32_t n = samples.count, independent = low_rank(n);
  if (independent == 0) return false;
  const uint32_t middle = (n - 1) / 2;
  memcpy(scratch, samples.ns, n * sizeof(uint64_t));
  uint64_t twofold_median = 2 * select(scratch, 0, n - 1, middle);
  if (n % 2 == 0) twofold_median = twofold_median / 2 + select(scratch, middle, n - 1, middle + 1);
  const double tau = sides.correlation_time(samples, twofold_median);
  const double rank = n / 2.0 - (n / 2.0 - independent) * square_root(tau);
  const uint32_t low = rank < 1 ? 0 : static_cast<uint32_t>(rank) - 1;  // from 0 here
  const uint64_t least = select(scratch, 0, middle, low);
  const uint64_t most = select(scratch, middle, n - 1, n - 1 - low);  // by symmetry
  return static_cast<double>(most - least) <= interval * static_cast<double>(twofold_median);
}

}  // namespace

uint64_t* reserve(uint32_t count) {
  void* memory = mmap(nullptr, count * sizeof(uint64_t), kProtectReadWrite, kMapPrivateAnonymous,
                      -1, 0);
  if (memory == reinterpret_cast<void*>(-1)) fail("Out of memory for %u samples.", count);
  return static_cast<uint64_t*>(memory);
}

uint64_t now_ns() { return clock_ns(kClockMonotonic); }

uint64_t clock_ns(int clock) {
  timespec time;
  clock_gettime(clock, &time);
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
  Sides sides(arguments.max_samples);
  const uint64_t start = now_ns();
  // Each look at the interval comes after a tenth more samples than the one before: a look costs
  // some ten nanoseconds a sample, most where they depend on each other for long, so all looks
  // together stay below 1 us for each sample taken; and few looks keep the bias of stopping at a
  // lucky moment small.
  uint32_t next_look = arguments.min_samples;
  while (true) {
    out.ns[out.count++] = timed_inference(session);
    if (arguments.interval > 0 && out.count == next_look) {
      next_look += out.count / 10 + 1;
      *stopped_by = "interval";
      if (now_ns() - start >= kMinSpanNs &&
          narrow_enough(out, scratch, sides, arguments.interval)) return out;
    }
    *stopped_by = "max_samples";
    if (out.count == arguments.max_samples) return out;
    *stopped_by = "max_seconds";
    if (now_ns() - start >= arguments.max_ns) return out;
  }
}
