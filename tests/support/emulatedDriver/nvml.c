// A libnvidia-ml.so.1 for a host that a file describes: see description.ts. EMULATED_HOST is the file; it can change while the library is in use. Every
// function is compiled against the declaration in NVIDIA's nvml.h.

#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ATTRIBUTES = 128, MAX_ENTRIES = 4096, GARBAGE = 0x7ffffff0 };

// A line of the file: a kind, and attributes, each "name=value", between tabs.
struct entry {
  const char *kind;
  int count;
  const char *names[MAX_ATTRIBUTES];
  const char *values[MAX_ATTRIBUTES];
};

static struct entry *entries;
static int entry_count;
static char *text;
static struct stat read_at;

// The state of the library. It keeps the GPUs that it found when it was initialized, and keeps a GPU lost, until it is initialized again.
enum { MAX_GPUS = 64 };
static int initializations, gpu_count, lost[MAX_GPUS];
static char found[MAX_GPUS][96];
// Where these GPUs are in the file now; -1 and NULL for one that the host does not have any more.
static int positions[MAX_GPUS];
static struct entry *gpus[MAX_GPUS];

static void parse(void) {
  char *next_line, *next_word;
  entry_count = 0;
  for (char *line = strtok_r(text, "\n", &next_line); line && entry_count < MAX_ENTRIES; line = strtok_r(NULL, "\n", &next_line)) {
    struct entry *entry = &entries[entry_count++];
    entry->kind = strtok_r(line, "\t", &next_word);
    entry->count = 0;
    for (char *word; entry->count < MAX_ATTRIBUTES && (word = strtok_r(NULL, "\t", &next_word));) {
      char *value = strchr(word, '=');
      if (!value) continue;
      *value = 0;
      entry->names[entry->count] = word;
      entry->values[entry->count++] = value + 1;
    }
  }
}

static void locate_gpus(void);

static void fail(void) {
  perror("the description of the emulated host");
  abort();
}

static void read_file(void) {
  struct stat now;
  const char *name = getenv("EMULATED_HOST");
  if (!name) name = "/run/emulated-gpus/host";
  if (stat(name, &now)) fail();
  int unchanged = text && now.st_ino == read_at.st_ino && now.st_size == read_at.st_size &&
                  now.st_mtim.tv_sec == read_at.st_mtim.tv_sec && now.st_mtim.tv_nsec == read_at.st_mtim.tv_nsec;
  if (unchanged) return;
  FILE *file = fopen(name, "r");
  if (!file || fstat(fileno(file), &read_at)) fail();
  if (!entries) entries = malloc(MAX_ENTRIES * sizeof *entries);
  text = realloc(text, read_at.st_size + 1);
  text[fread(text, 1, read_at.st_size, file)] = 0;
  fclose(file);
  parse();
  locate_gpus();
}

static const char *attribute(const struct entry *entry, const char *name) {
  for (int i = 0; entry && i < entry->count; i++)
    if (!strcmp(entry->names[i], name)) return entry->values[i];
  return NULL;
}

static long number(const struct entry *entry, const char *name, long otherwise) {
  const char *value = attribute(entry, name);
  return value ? atol(value) : otherwise;
}

// The next entry of a kind after another, or the first, among those where an attribute has a value.
static struct entry *next(const struct entry *after, const char *kind, const char *name, long value) {
  for (int i = after ? after - entries + 1 : 0; i < entry_count; i++)
    if (!strcmp(entries[i].kind, kind) && (!name || number(&entries[i], name, -1) == value)) return &entries[i];
  return NULL;
}

// The nth of these entries.
static struct entry *find(const char *kind, int nth, const char *name, long value) {
  struct entry *entry = next(NULL, kind, name, value);
  while (entry && nth-- > 0) entry = next(entry, kind, name, value);
  return entry;
}

static int is_fault(const char *fault) {
  const char *actual = attribute(find("host", 0, NULL, 0), "fault");
  return actual && !strcmp(actual, fault);
}

static int release(void) { return number(find("host", 0, NULL, 0), "driver", 0); }

// What every function does first.
static nvmlReturn_t begin(void) {
  read_file();
  if (is_fault("hang")) sleep(60);
  if (is_fault("crash")) raise(SIGSEGV);
  if (is_fault("no-driver")) return NVML_ERROR_DRIVER_NOT_LOADED;
  if (is_fault("mismatch")) return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
  // A container whose devices were taken away, when its process starts again.
  if (is_fault("unknown")) return NVML_ERROR_UNKNOWN;
  return initializations > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

#define BEGIN                            \
  do {                                   \
    nvmlReturn_t begun = begin();        \
    if (begun != NVML_SUCCESS) return begun; \
  } while (0)

// A driver that is older than the function.
#define SINCE(first)                                        \
  do {                                                      \
    BEGIN;                                                  \
    if (release() < (first)) return NVML_ERROR_FUNCTION_NOT_FOUND; \
  } while (0)

// A handle is the number of the GPU + 1, with that of the MIG device + 1 in higher bits.
static nvmlDevice_t handle_of(int gpu, int mig) { return (nvmlDevice_t)(((unsigned long)(mig + 1) << 16) | (gpu + 1)); }
static int gpu_of(nvmlDevice_t device) { return (int)((unsigned long)device & 0xffff) - 1; }
static int mig_of(nvmlDevice_t device) { return (int)((unsigned long)device >> 16) - 1; }

static void locate_gpus(void) {
  for (int index = 0; index < gpu_count; index++) {
    int position = 0;
    struct entry *gpu = next(NULL, "gpu", NULL, 0);
    while (gpu && strcmp(attribute(gpu, "id"), found[index])) {
      gpu = next(gpu, "gpu", NULL, 0);
      position++;
    }
    gpus[index] = gpu;
    positions[index] = gpu ? position : -1;
  }
}

// A MIG device of a GPU.
static struct entry *mig_at(nvmlDevice_t device, int mig) { return find("mig", mig, "gpu", positions[gpu_of(device)]); }

static struct entry *device_of(nvmlDevice_t device) { return mig_of(device) < 0 ? gpus[gpu_of(device)] : mig_at(device, mig_of(device)); }

static int is_lost(int index) { return lost[index] |= !gpus[index] || number(gpus[index], "lost", 0); }

// Reads an attribute of a device. "!15" stands for the error 15. An attribute that the file does not have is not supported.
static nvmlReturn_t get(nvmlDevice_t device, const char *name, const char **value) {
  if (gpu_of(device) < 0 || gpu_of(device) >= gpu_count) return NVML_ERROR_INVALID_ARGUMENT;
  if (is_lost(gpu_of(device))) return NVML_ERROR_GPU_IS_LOST;
  struct entry *gpu = gpus[gpu_of(device)], *entry = device_of(device);
  if (!entry) return NVML_ERROR_INVALID_ARGUMENT;
  if (attribute(gpu, "resetRequired")) return NVML_ERROR_RESET_REQUIRED;
  if (is_fault("garbage")) {
    *value = "\x01\x02\xff garbage";
    return NVML_SUCCESS;
  }
  *value = attribute(entry, name);
  if (!*value) return NVML_ERROR_NOT_SUPPORTED;
  return **value == '!' ? (nvmlReturn_t)atoi(*value + 1) : NVML_SUCCESS;
}

static nvmlReturn_t get_text(nvmlDevice_t device, const char *name, char *to, unsigned int length) {
  const char *value;
  nvmlReturn_t result = get(device, name, &value);
  if (result == NVML_SUCCESS) snprintf(to, length, "%s", value);
  return result;
}

static nvmlReturn_t get_ulong(nvmlDevice_t device, const char *name, unsigned long long *to) {
  const char *value;
  nvmlReturn_t result = get(device, name, &value);
  if (result == NVML_SUCCESS) *to = strtoull(value, NULL, 10);
  return result;
}

static nvmlReturn_t get_uint(nvmlDevice_t device, const char *name, unsigned int *to) {
  unsigned long long value;
  nvmlReturn_t result = get_ulong(device, name, &value);
  if (result == NVML_SUCCESS) *to = (unsigned int)value;
  return result;
}

// Times are in microseconds since 1970, or since the boot.
static unsigned long long microseconds(void) {
  struct timespec now;
  clock_gettime(attribute(find("host", 0, NULL, 0), "bootClock") ? CLOCK_BOOTTIME : CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

static struct entry *next_process(const struct entry *after, nvmlDevice_t device) { return next(after, "process", "gpu", positions[gpu_of(device)]); }

// The driver takes a sample of use about each sixth of a second (167.13 ms: Syllo/nvtop, issue 110), and keeps the last 72 (ctrl2080perf.h of
// NVIDIA/open-gpu-kernel-modules). It updates the energy each 100 ms (ml-energy/zeus).
static const unsigned long long PERIOD = 167130, KEPT = 72 * 167130ULL, ENERGY_PERIOD = 100000;

// Loads. A process with the attribute "period" keeps its GPU busy in each period from the time "from" to the time "until", in milliseconds. Only one of a
// GPU runs at a time.

// How long a load was busy until a time.
static unsigned long long load_time(const struct entry *process, unsigned long long time) {
  unsigned long long period = 1000 * number(process, "period", 0), from = 1000 * number(process, "from", 0),
                     until = 1000 * number(process, "until", 0), phase = time % period;
  phase = phase < from ? from : phase > until ? until : phase;
  return time / period * (until - from) + phase - from;
}

// How long the loads of a GPU kept it busy until a time. Returns whether it has any.
static int get_load_time(nvmlDevice_t device, unsigned long long time, unsigned long long *busy) {
  int loads = 0;
  *busy = 0;
  for (struct entry *process = NULL; (process = next_process(process, device));)
    if (attribute(process, "period")) {
      loads++;
      *busy += load_time(process, time);
    }
  return loads > 0;
}

static unsigned int percent(unsigned long long part, unsigned long long whole) { return (100 * part + whole / 2) / whole; }

// The use of a GPU in the sixth of a second until a time.
static nvmlReturn_t get_utilization(nvmlDevice_t device, unsigned long long time, unsigned int *utilization) {
  unsigned long long before, busy;
  nvmlReturn_t result = get_uint(device, "gpuUtilization", utilization);
  if (result == NVML_SUCCESS && get_load_time(device, time, &busy) && get_load_time(device, time - PERIOD, &before))
    *utilization = percent(busy - before, PERIOD);
  return result;
}

// Whether a load runs at a time.
static int is_running(const struct entry *process, unsigned long long time) {
  unsigned long long phase = time % (1000 * number(process, "period", 0));
  return phase >= 1000ULL * number(process, "from", 0) && phase < 1000ULL * number(process, "until", 0);
}

// The use of a process. A sample of the GPU counts to the load that runs when the sample is taken, and to none where none runs. The use of a load is the sum of
// its samples since a time, divided by the number of all samples, and its time is that of its last sample (ctrl2080perf.h and gpu_acct.c of
// NVIDIA/open-gpu-kernel-modules; Syllo/nvtop, issue 110). Returns whether there was any.
static int get_use(nvmlDevice_t device, const struct entry *process, unsigned long long since, nvmlProcessUtilizationSample_t *sample) {
  sample->smUtil = number(process, "sm", 0);
  if (!attribute(process, "period")) return attribute(process, "sm") != NULL;
  unsigned long long newest = sample->timeStamp / PERIOD, first = (since > sample->timeStamp - KEPT ? since : sample->timeStamp - KEPT) / PERIOD + 1;
  unsigned long long busy = 0;
  for (unsigned long long i = first; i <= newest; i++) {
    if (!is_running(process, i * PERIOD)) continue;
    unsigned long long before, after;
    get_load_time(device, (i - 1) * PERIOD, &before);
    get_load_time(device, i * PERIOD, &after);
    busy += after - before;
    sample->timeStamp = i * PERIOD;
  }
  if (busy == 0) return 0;
  sample->smUtil = percent(busy, (newest - first + 1) * PERIOD);
  return sample->smUtil > 0;
}

nvmlReturn_t nvmlInit_v2(void) {
  initializations++;
  nvmlReturn_t result = begin();
  usleep(1000 * number(find("host", 0, NULL, 0), "delay", 0));
  if (result != NVML_SUCCESS) initializations--;
  if (result != NVML_SUCCESS || initializations > 1) return result;
  memset(lost, 0, sizeof lost);
  gpu_count = 0;
  for (struct entry *gpu = NULL; gpu_count < MAX_GPUS && (gpu = next(gpu, "gpu", NULL, 0)); gpu_count++)
    snprintf(found[gpu_count], sizeof *found, "%s", attribute(gpu, "id"));
  locate_gpus();
  return NVML_SUCCESS;
}

static void free_events(void);

nvmlReturn_t nvmlShutdown(void) {
  if (initializations == 0) return NVML_ERROR_UNINITIALIZED;
  if (--initializations == 0) free_events();
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
  BEGIN;
  snprintf(version, length, "%s", attribute(find("host", 0, NULL, 0), "driver"));
  return NVML_SUCCESS;
}

// Not here: nvmlSystemGetCudaDriverVersion_v2, so that every test covers a function that the library does not have.
nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
  BEGIN;
  *version = number(find("host", 0, NULL, 0), "cuda", 0);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
  BEGIN;
  usleep(1000 * number(find("host", 0, NULL, 0), "delay", 0));
  *count = is_fault("garbage-count") ? GARBAGE : gpu_count;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
  BEGIN;
  if (index >= gpu_count) return NVML_ERROR_INVALID_ARGUMENT;
  *device = handle_of(index, -1);
  // A GPU that was lost before the library was initialized has no handle.
  return number(gpus[index], "lost", 0) == 2 ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
  BEGIN;
  return get_text(device, "uuid", uuid, length);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
  BEGIN;
  return get_text(device, "name", name, length);
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor) {
  BEGIN;
  return get_uint(device, "minor", minor);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
  BEGIN;
  memset(pci, 0, sizeof *pci);
  return get_text(device, "bus", pci->busId, sizeof pci->busId);
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
  SINCE(450);
  nvmlReturn_t result = get_uint(device, "mig", current);
  if (result == NVML_SUCCESS && get_uint(device, "migPending", pending) != NVML_SUCCESS) *pending = *current;
  return result;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) {
  SINCE(450);
  nvmlReturn_t result = get_uint(device, "mig", count);
  *count = is_fault("garbage-count") ? GARBAGE : 7;
  return result;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig) {
  SINCE(450);
  if (!mig_at(device, index)) return NVML_ERROR_NOT_FOUND;
  *mig = handle_of(gpu_of(device), index);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id) {
  SINCE(450);
  return get_uint(device, "gpuInstance", id);
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id) {
  SINCE(450);
  return get_uint(device, "computeInstance", id);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
  BEGIN;
  unsigned long long reserved = 0;
  get_ulong(device, "reserved", &reserved);
  nvmlReturn_t result = get_ulong(device, "total", &memory->total);
  if (result == NVML_SUCCESS) result = get_ulong(device, "used", &memory->used);
  memory->used += reserved;
  memory->free = memory->total - memory->used;
  return result;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
  SINCE(510);
  if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  memory->reserved = 0;
  get_ulong(device, "reserved", &memory->reserved);
  nvmlReturn_t result = get_ulong(device, "total", &memory->total);
  if (result == NVML_SUCCESS) result = get_ulong(device, "used", &memory->used);
  memory->free = memory->total - memory->used - memory->reserved;
  return result;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) {
  BEGIN;
  nvmlReturn_t result = get_utilization(device, microseconds(), &utilization->gpu);
  return result == NVML_SUCCESS ? get_uint(device, "memoryUtilization", &utilization->memory) : result;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power) {
  BEGIN;
  return get_uint(device, "powerAverage", power);
}

// The attributes with the values of fields, the first driver that has the field, and whether it is a long value.
static const struct {
  unsigned int id;
  const char *name;
  int since, is_long;
} FIELDS[] = {
    {NVML_FI_DEV_POWER_INSTANT, "powerInstant", 530, 0},
    {NVML_FI_DEV_MEMORY_TEMP, "memoryTemperature", 0, 0},
    {NVML_FI_DEV_RETIRED_SBE, "retiredSingleBit", 0, 0},
    {NVML_FI_DEV_RETIRED_DBE, "retiredDoubleBit", 0, 0},
    {NVML_FI_DEV_RETIRED_PENDING, "retiredPending", 0, 0},
    {NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, "recoveryAction", 570, 0},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP, "throttledSwPowerCap", 0, 1},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST, "throttledSyncBoost", 0, 1},
    {NVML_FI_DEV_PERF_POLICY_THERMAL, "throttledSwThermal", 0, 1},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, "throttledSwThermal", 570, 1},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, "throttledHwThermal", 570, 1},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, "throttledHwPowerBrake", 570, 1},
    {NVML_FI_DEV_NVLINK_LINK_COUNT, "links", 0, 0},
    {NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, "linkCrcFlit", 0, 1},
    {NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL, "linkCrcData", 0, 1},
    {NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL, "linkReplay", 0, 1},
    {NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, "linkRecovery", 0, 1},
    {NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, "linkSentKib", 0, 1},
    {NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, "linkReceivedKib", 0, 1},
    // NVLink 5 counts for each link.
    {NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, "sentPerLink", 560, 1},
    {NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, "receivedPerLink", 560, 1},
    {NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS, "errorsPerLink", 560, 1},
    {NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS, "recoveriesPerLink", 560, 1},
};

static void read_field_value(nvmlDevice_t device, nvmlFieldValue_t *field) {
  unsigned long long value = 0;
  field->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
  // The rest of the union has no defined value.
  memset(&field->value, 0xa5, sizeof field->value);
  for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
    if (field->fieldId != FIELDS[i].id || release() < FIELDS[i].since) continue;
    int is_module = field->fieldId == NVML_FI_DEV_POWER_INSTANT && field->scopeId == NVML_POWER_SCOPE_MODULE;
    field->nvmlReturn = get_ulong(device, is_module ? "modulePower" : FIELDS[i].name, &value);
    field->valueType = FIELDS[i].is_long ? NVML_VALUE_TYPE_UNSIGNED_LONG_LONG : NVML_VALUE_TYPE_UNSIGNED_INT;
    if (FIELDS[i].is_long)
      field->value.ullVal = value;
    else
      field->value.uiVal = (unsigned int)value;
  }
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values) {
  BEGIN;
  for (int i = 0; i < count; i++) read_field_value(device, &values[i]);
  return NVML_SUCCESS;
}

// A function with one output, which an attribute has.
#define ONE_UINT(function, type, name)                                  \
  nvmlReturn_t function(nvmlDevice_t device, type *value) {             \
    BEGIN;                                                              \
    return get_uint(device, name, (unsigned int *)value);               \
  }

ONE_UINT(nvmlDeviceGetPerformanceState, nvmlPstates_t, "performanceState")
ONE_UINT(nvmlDeviceGetPowerManagementDefaultLimit, unsigned int, "powerLimitDefault")
ONE_UINT(nvmlDeviceGetPcieReplayCounter, unsigned int, "pcieReplays")
ONE_UINT(nvmlDeviceGetCurrPcieLinkGeneration, unsigned int, "pcieGeneration")
ONE_UINT(nvmlDeviceGetMaxPcieLinkGeneration, unsigned int, "pcieGenerationMax")
ONE_UINT(nvmlDeviceGetCurrPcieLinkWidth, unsigned int, "pcieWidth")
ONE_UINT(nvmlDeviceGetMaxPcieLinkWidth, unsigned int, "pcieWidthMax")

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *least, unsigned int *most) {
  BEGIN;
  nvmlReturn_t result = get_uint(device, "powerLimitMin", least);
  return result == NVML_SUCCESS ? get_uint(device, "powerLimitMax", most) : result;
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar1) {
  BEGIN;
  nvmlReturn_t result = get_ulong(device, "bar1Total", &bar1->bar1Total);
  if (result == NVML_SUCCESS) result = get_ulong(device, "bar1Used", &bar1->bar1Used);
  bar1->bar1Free = bar1->bar1Total - bar1->bar1Used;
  return result;
}

// The driver measures it over a sixth of a second.
static nvmlReturn_t get_codec(nvmlDevice_t device, const char *name, unsigned int *utilization, unsigned int *microseconds) {
  *microseconds = 167000;
  return get_uint(device, name, utilization);
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period) {
  BEGIN;
  return get_codec(device, "encoder", utilization, period);
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period) {
  BEGIN;
  return get_codec(device, "decoder", utilization, period);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected, unsigned int *pending, unsigned int *failure) {
  SINCE(450);
  nvmlReturn_t result = get_uint(device, "remappedCorrected", corrected);
  if (result == NVML_SUCCESS) result = get_uint(device, "remappedUncorrected", uncorrected);
  if (result == NVML_SUCCESS) result = get_uint(device, "remappedPending", pending);
  return result == NVML_SUCCESS ? get_uint(device, "remappedFailure", failure) : result;
}

// The first links of a GPU are active.
nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, nvmlEnableState_t *active) {
  BEGIN;
  unsigned int count, working;
  nvmlReturn_t result = get_uint(device, "links", &count);
  if (result == NVML_SUCCESS) result = get_uint(device, "activeLinks", &working);
  if (result != NVML_SUCCESS) return result;
  if (link >= count) return NVML_ERROR_INVALID_ARGUMENT;
  *active = link < working ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
  return NVML_SUCCESS;
}

static nvmlReturn_t get_fabric(nvmlDevice_t device, nvmlGpuFabricState_t *state, nvmlReturn_t *status) {
  unsigned int value;
  nvmlReturn_t result = get_uint(device, "fabricState", &value);
  if (result == NVML_SUCCESS) *state = (nvmlGpuFabricState_t)value;
  *status = get_uint(device, "fabricStatus", &value) == NVML_SUCCESS ? value : NVML_SUCCESS;
  return result;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info) {
  SINCE(530);
  return get_fabric(device, &info->state, &info->status);
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *any) {
  SINCE(550);
  nvmlGpuFabricInfo_v2_t *info = (nvmlGpuFabricInfo_v2_t *)any;
  if (info->version != nvmlGpuFabricInfo_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  return get_fabric(device, &info->state, &info->status);
}

// Events. The attribute "xids" of a GPU is the list of all its errors so far, between commas.
struct nvmlEventSet_st {
  int created, undefined, registered[MAX_GPUS];
  unsigned int delivered[MAX_GPUS];
};

static struct nvmlEventSet_st event_sets[2 * MAX_GPUS];

static int is_set(nvmlEventSet_t set) { return set >= event_sets && set < event_sets + 2 * MAX_GPUS && set->created; }

static void free_events(void) { memset(event_sets, 0, sizeof event_sets); }

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
  BEGIN;
  for (*set = event_sets; *set < event_sets + 2 * MAX_GPUS; ++*set)
    if (!(*set)->created) {
      (*set)->created = 1;
      return NVML_SUCCESS;
    }
  return NVML_ERROR_INSUFFICIENT_RESOURCES;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
  BEGIN;
  if (!is_set(set)) return NVML_ERROR_INVALID_ARGUMENT;
  memset(set, 0, sizeof *set);
  return NVML_SUCCESS;
}

static unsigned int xid_count(const char *list) {
  unsigned int count = list && *list != 0;
  for (; list && *list; list++) count += *list == ',';
  return count;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) {
  BEGIN;
  const char *list;
  int gpu = gpu_of(device);
  if (!is_set(set)) return NVML_ERROR_INVALID_ARGUMENT;
  nvmlReturn_t result = get(device, "xids", &list);
  // After this error, the set is in an undefined state.
  set->undefined |= result == NVML_ERROR_UNKNOWN;
  if (result != NVML_SUCCESS) return result;
  if (types != nvmlEventTypeXidCriticalError) return NVML_ERROR_NOT_SUPPORTED;
  set->registered[gpu] = 1;
  // Only errors from now on are reported.
  set->delivered[gpu] = xid_count(list);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout) {
  BEGIN;
  if (!is_set(set)) return NVML_ERROR_INVALID_ARGUMENT;
  if (set->undefined) return NVML_ERROR_UNKNOWN;
  for (int gpu = 0; gpu < gpu_count; gpu++) {
    const char *list = attribute(gpus[gpu], "xids");
    if (!set->registered[gpu] || xid_count(list) <= set->delivered[gpu]) continue;
    for (unsigned int skip = set->delivered[gpu]; skip > 0; skip--) list = strchr(list, ',') + 1;
    set->delivered[gpu]++;
    *data = (nvmlEventData_t){.device = handle_of(gpu, -1),
                              .eventType = nvmlEventTypeXidCriticalError,
                              .eventData = strtoull(list, NULL, 10),
                              .gpuInstanceId = ~0u,
                              .computeInstanceId = ~0u};
    return NVML_SUCCESS;
  }
  for (int gpu = 0; gpu < gpu_count; gpu++)
    if (set->registered[gpu] && is_lost(gpu)) return NVML_ERROR_GPU_IS_LOST;
  if (timeout) usleep(1000 * timeout);
  return NVML_ERROR_TIMEOUT;
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit) {
  BEGIN;
  return get_uint(device, "powerLimit", limit);
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *limit) {
  BEGIN;
  return get_uint(device, "powerManagementLimit", limit);
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *temperature) {
  BEGIN;
  return sensor == NVML_TEMPERATURE_GPU ? get_uint(device, "temperature", temperature) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) {
  BEGIN;
  static const char *const names[] = {"clockGraphics", "clockSm", "clockMemory", "clockVideo"};
  return type <= NVML_CLOCK_VIDEO ? get_uint(device, names[type], clock) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock) {
  BEGIN;
  static const char *const names[] = {"maxClockGraphics", "maxClockSm", "maxClockMemory", "maxClockVideo"};
  return type <= NVML_CLOCK_VIDEO ? get_uint(device, names[type], clock) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, unsigned long long *count) {
  BEGIN;
  static const char *const names[][2] = {{"eccCorrected", "eccUncorrected"}, {"eccCorrectedLifetime", "eccUncorrectedLifetime"}};
  if (counter > NVML_AGGREGATE_ECC || type > NVML_MEMORY_ERROR_TYPE_UNCORRECTED) return NVML_ERROR_INVALID_ARGUMENT;
  return get_ulong(device, names[counter][type], count);
}

// R535 renamed these functions, and kept the old names.
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons) {
  BEGIN;
  return get_ulong(device, "throttleReasons", reasons);
}

nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons) {
  BEGIN;
  return get_ulong(device, "supportedThrottleReasons", reasons);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
  SINCE(535);
  return get_ulong(device, "throttleReasons", reasons);
}

nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
  SINCE(535);
  return get_ulong(device, "supportedThrottleReasons", reasons);
}

// The processes of a type on a GPU or a MIG device. By the handle of a GPU, MIG's processes are for some users only.
static nvmlReturn_t list_processes(nvmlDevice_t device, char type, unsigned int *count, nvmlProcessInfo_v2_t *infos) {
  const char *ignored;
  nvmlReturn_t result = get(device, "uuid", &ignored);
  if (result != NVML_SUCCESS) return result;
  if (is_fault("no-permission")) return NVML_ERROR_NO_PERMISSION;
  unsigned int found = 0, capacity = *count;
  for (struct entry *process = NULL; (process = next_process(process, device));) {
    int mig = number(process, "mig", -1);
    const char *types = attribute(process, "type"), *memory = attribute(process, "memory");
    if (!strchr(types, type) || (mig_of(device) >= 0 ? mig != mig_of(device) : mig >= 0 && is_fault("no-mig-permission"))) continue;
    struct entry *instance = mig < 0 ? NULL : mig_at(device, mig);
    if (found++ < capacity)
      infos[found - 1] = (nvmlProcessInfo_v2_t){
          .pid = number(process, "pid", 0),
          .usedGpuMemory = memory ? strtoull(memory, NULL, 10) : (unsigned long long)NVML_VALUE_NOT_AVAILABLE,
          .gpuInstanceId = number(instance, "gpuInstance", -1),
          .computeInstanceId = number(instance, "computeInstance", -1),
      };
  }
  *count = is_fault("garbage-count") ? GARBAGE : found;
  return found > capacity ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

static nvmlReturn_t list_processes_v1(nvmlDevice_t device, char type, unsigned int *count, nvmlProcessInfo_v1_t *infos) {
  unsigned int capacity = *count;
  nvmlProcessInfo_v2_t *all = calloc(capacity, sizeof *all);
  nvmlReturn_t result = list_processes(device, type, count, all);
  for (unsigned int i = 0; result == NVML_SUCCESS && i < *count && i < capacity; i++)
    infos[i] = (nvmlProcessInfo_v1_t){.pid = all[i].pid, .usedGpuMemory = all[i].usedGpuMemory};
  free(all);
  return result;
}

#define PROCESSES(name, type)                                                                                        \
  nvmlReturn_t name(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos) {                          \
    BEGIN;                                                                                                            \
    return list_processes_v1(device, type, count, infos);                                                             \
  }                                                                                                                   \
  nvmlReturn_t name##_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v2_t *infos) {                     \
    SINCE(450);                                                                                                       \
    return list_processes(device, type, count, infos);                                                                \
  }                                                                                                                   \
  nvmlReturn_t name##_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {                        \
    SINCE(510);                                                                                                       \
    return list_processes(device, type, count, infos);                                                                \
  }

PROCESSES(nvmlDeviceGetComputeRunningProcesses, 'C')
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses, 'G')
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses, 'M')

nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples, unsigned int *count, unsigned long long since) {
  BEGIN;
  unsigned int mig, found = 0, capacity = *count;
  nvmlReturn_t result = get(device, "uuid", &(const char *){NULL});
  if (result != NVML_SUCCESS) return result;
  if (get_uint(device, "mig", &mig) == NVML_SUCCESS && mig) return NVML_ERROR_NOT_SUPPORTED;
  if (number(device_of(device), "noProcessUtilization", 0)) return NVML_ERROR_NOT_SUPPORTED;
  for (struct entry *process = NULL; (process = next_process(process, device));) {
    nvmlProcessUtilizationSample_t sample = {.pid = number(process, "pid", 0), .timeStamp = microseconds()};
    // A process that was idle has no sample.
    if (get_use(device, process, since, &sample) && sample.timeStamp > since && found++ < capacity) samples[found - 1] = sample;
  }
  *count = found;
  if (found == 0) return NVML_ERROR_NOT_FOUND;
  return found > capacity ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

// The power of the last update, and what loads add to it, since 1970.
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy) {
  BEGIN;
  unsigned int milliwatts, added;
  unsigned long long now = microseconds() / ENERGY_PERIOD * ENERGY_PERIOD, busy;
  nvmlReturn_t result = get_uint(device, "energyPower", &milliwatts);
  if (result != NVML_SUCCESS) return result;
  unsigned __int128 nanojoules = (unsigned __int128)now * milliwatts;
  if (get_load_time(device, now, &busy) && get_uint(device, "loadPower", &added) == NVML_SUCCESS) nanojoules += (unsigned __int128)busy * added;
  *energy = (unsigned long long)(nanojoules / 1000000);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, nvmlSamplingType_t type, unsigned long long since, nvmlValueType_t *value_type, unsigned int *count, nvmlSample_t *samples) {
  BEGIN;
  unsigned int utilization, found = 0, capacity = *count;
  if (type != NVML_GPU_UTILIZATION_SAMPLES) return NVML_ERROR_INVALID_ARGUMENT;
  nvmlReturn_t result = get_uint(device, "gpuUtilization", &utilization);
  if (result != NVML_SUCCESS) return result;
  *value_type = NVML_VALUE_TYPE_UNSIGNED_INT;
  unsigned long long oldest = microseconds() - KEPT;
  if (since < oldest) since = oldest;
  for (unsigned long long time = (since / PERIOD + 1) * PERIOD; time <= microseconds() && found < capacity; time += PERIOD) {
    // The rest of the union has no defined value.
    memset(&samples[found], 0xa5, sizeof samples[found]);
    samples[found].timeStamp = time;
    get_utilization(device, time, &utilization);
    samples[found++].sampleValue.uiVal = utilization;
  }
  *count = found;
  return found == 0 ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}
