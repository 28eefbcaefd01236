// A LiteRT that does as it is told by the environment, with a clock of its own: the runner's
// rules can be tested without waiting. Preload it, and give it as --library too.
//
//   FAKE_LATENCIES_NS  latencies of the inferences, separated by commas; the last one repeats
//   FAKE_CYCLE         the list starts again instead
//   FAKE_FAULT         <function>:<what>, what is abort, segv, hang, slow, fail, stdout or flood
//   FAKE_DELEGATION    full (default), or the event types that a profile shows, such as 8,2
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_ns = 1000000000;
static const char *at;

int clock_gettime(clockid_t clock, struct timespec *time) {
  (void)clock;
  time->tv_sec = now_ns / 1000000000;
  time->tv_nsec = now_ns % 1000000000;
  return 0;
}

static int fault(const char *function) {
  const char *wish = getenv("FAKE_FAULT");
  const size_t size = strlen(function);
  if (wish == NULL || strncmp(wish, function, size) != 0 || wish[size] != ':') return 0;
  const char *what = wish + size + 1;
  if (strcmp(what, "abort") == 0) abort();
  if (strcmp(what, "segv") == 0) raise(SIGSEGV);
  while (strcmp(what, "hang") == 0) pause();
  if (strcmp(what, "stdout") == 0) printf("noise on stdout\n"), fflush(stdout);
  if (strcmp(what, "slow") == 0) usleep(1300000);
  if (strcmp(what, "flood") == 0)
    for (int i = 0; i < 40000; i++) fprintf(stderr, "ERROR: noise on stderr\n");
  return strcmp(what, "fail") == 0 ? 3 : 0;
}

static long long next_latency(void) {
  const char *all = getenv("FAKE_LATENCIES_NS");
  if (all == NULL) return 1000000;
  if (at == NULL) at = all;
  char *end;
  const long long latency = strtoll(at, &end, 10);
  if (*end == ',') at = end + 1;
  else if (getenv("FAKE_CYCLE") != NULL) at = all;
  return latency;
}

#define OK(name, parameters) \
  int LiteRt##name parameters { return fault(#name); }
#define GIVE(name, parameters, out, value) \
  int LiteRt##name parameters { *out = value; return fault(#name); }

static int thing;
OK(SetOptionsHardwareAccelerators, (void *options, int set))
OK(AddOpaqueOptions, (void *options, void *opaque))
OK(UnlockTensorBuffer, (void *buffer))
OK(StartProfiler, (void *profiler))
OK(StopProfiler, (void *profiler))
OK(GetCompiledModelOutputTensorLayouts, (void *m, size_t s, size_t n, void *l, bool update))
GIVE(CreateEnvironment, (int n, const void *options, void **out), out, &thing)
GIVE(CreateModelFromFile, (void *e, const char *path, void **out), out, &thing)
GIVE(CreateOptions, (void **out), out, &thing)
GIVE(CreateOpaqueOptions, (const char *id, void *p, void (*d)(void *), void **out), out, &thing)
GIVE(CreateCompiledModel, (void *e, void *m, void *o, void **out), out, &thing)
GIVE(GetNumModelSignatures, (void *model, size_t *out), out, 1)
GIVE(GetModelSignature, (void *model, size_t i, void **out), out, &thing)
GIVE(GetNumSignatureInputs, (void *signature, size_t *out), out, 0)
GIVE(GetNumSignatureOutputs, (void *signature, size_t *out), out, 0)
GIVE(GetSignatureInputName, (void *s, size_t i, const char **out), out, "")
GIVE(GetSignatureOutputName, (void *s, size_t i, const char **out), out, "")
GIVE(GetSignatureInputTensorByIndex, (void *s, size_t i, void **out), out, &thing)
GIVE(GetSignatureOutputTensorByIndex, (void *s, size_t i, void **out), out, &thing)
GIVE(GetRankedTensorType, (void *tensor, int *out), out, 1)
GIVE(GetCompiledModelInputBufferRequirements, (void *m, size_t s, size_t i, void **out), out, 0)
GIVE(GetCompiledModelOutputBufferRequirements, (void *m, size_t s, size_t i, void **out), out, 0)
GIVE(CreateManagedTensorBufferFromRequirements, (void *e, void *t, void *r, void **out), out, 0)
GIVE(LockTensorBuffer, (void *buffer, void **out, int mode), out, &thing)
GIVE(GetTensorBufferPackedSize, (void *buffer, size_t *out), out, 0)
GIVE(CompiledModelGetProfiler, (void *m, void **out), out, &thing)

static const char *delegation(void) {
  const char *wish = getenv("FAKE_DELEGATION");
  return wish == NULL ? "full" : wish;
}

int LiteRtCompiledModelIsFullyAccelerated(void *model, bool *out) {
  *out = strcmp(delegation(), "full") == 0;
  return fault("CompiledModelIsFullyAccelerated");
}

int LiteRtGetNumProfilerEvents(void *profiler, int *out) {
  *out = 1;
  for (const char *c = delegation(); *c != 0; c++) *out += *c == ',';
  return fault("GetNumProfilerEvents");
}

int LiteRtGetProfilerEvents(void *profiler, int count, unsigned char *events) {
  const char *type = delegation();
  for (int i = 0; i < count; i++) {
    memset(events + 104 * i, 0, 104);
    char *end;
    const int value = (int)strtol(type, &end, 10);
    memcpy(events + 104 * i + 8, &value, sizeof value);
    type = *end == ',' ? end + 1 : end;
  }
  return fault("GetProfilerEvents");
}

int LiteRtRunCompiledModel(void *m, size_t s, size_t n, void **in, size_t k, void **out) {
  now_ns += next_latency();
  return fault("RunCompiledModel");
}
