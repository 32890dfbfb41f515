/* A stand-in for NVIDIA's management library, for tests: it answers the calls that pynvml makes for us.

   Everything it says comes from a text file, named by FAKE_NVML_STATE and read again at every call, so that a
   test changes the "hardware" while a program runs. Lines are "KEY VALUE"; later lines win:
     driver 550.54.14        driver_file PATH (the version is that file's first line)     cuda 12040
     gpus 2                  lost CODE (every call fails with it)
     fail FUNCTION CODE      fail_after FUNCTION COUNT CODE (the first COUNT calls in this process succeed)
     N.name N.uuid N.capability "8 6"  N.total N.used N.step (MiB; step: used grows by it at each reading)
     N.temperature N.power N.limit (mW)  N.energy (mJ) N.energy_step  N.utilisation
     N.throttle (bit mask)  N.graphics N.sm N.memory N.video (MHz)  N.max_graphics and so on
     N.compute "PID:MIB PID:MIB"  N.drawing the same, for graphics; MIB may be "-" (not told)
   Without FAKE_NVML_STATE, or when its file is gone, every call says that the driver is not loaded. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, TOO_SMALL = 7, NO_DRIVER = 9 };
enum { LINE = 512, CALLS = 64 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilisation;
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } Process;

static const unsigned long long MIB = 1024ULL * 1024ULL;
static const unsigned long long NOT_TOLD = 0xFFFFFFFFFFFFFFFFULL;

/* The last value of a key into out; 0 if the file has none, -1 if there is no file. */
static int look_up(const char *key, char *out, size_t room)
{
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[LINE];
    size_t size = strlen(key);
    int found = 0;
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, key, size) == 0 && line[size] == ' ') {
            snprintf(out, room, "%s", line + size + 1);
            found = 1;
        }
    }
    fclose(file);
    return found;
}

static int device_text(unsigned device, const char *key, char *out, size_t room)
{
    char name[64];
    snprintf(name, sizeof name, "%u.%s", device, key);
    return look_up(name, out, room);
}

static int device_number(unsigned device, const char *key, unsigned long long *out)
{
    char text[LINE];
    if (device_text(device, key, text, sizeof text) != 1)
        return NOT_SUPPORTED;
    *out = strtoull(text, NULL, 0);
    return OK;
}

/* How often this process has called a function, this call included. */
static int calls_of(const char *function)
{
    static char names[CALLS][64];
    static int counts[CALLS];
    int i;
    for (i = 0; i < CALLS; i++) {
        if (names[i][0] == 0)
            snprintf(names[i], sizeof names[i], "%s", function);
        if (strcmp(names[i], function) == 0)
            return ++counts[i];
    }
    return 0;
}

/* What the file says must go wrong with this call; OK if nothing. */
static int gate(const char *function)
{
    char key[96], text[LINE];
    int count = calls_of(function), after, code;
    if (look_up("gpus", text, sizeof text) < 0)
        return NO_DRIVER;
    if (look_up("lost", text, sizeof text) == 1 && atoi(text) != 0)
        return atoi(text);
    snprintf(key, sizeof key, "fail %s", function);
    if (look_up(key, text, sizeof text) == 1)
        return atoi(text);
    snprintf(key, sizeof key, "fail_after %s", function);
    if (look_up(key, text, sizeof text) == 1 && sscanf(text, "%d %d", &after, &code) == 2 && count > after)
        return code;
    return OK;
}

static unsigned index_of(void *device) { return (unsigned)(size_t)device - 1; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; return gate("nvmlInit"); }
int nvmlInit_v2(void) { return gate("nvmlInit"); }
int nvmlShutdown(void) { return gate("nvmlShutdown"); }

const char *nvmlErrorString(int code)
{
    switch (code) {
    case 1: return "Uninitialized";
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *out, unsigned room)
{
    char path[LINE];
    int code = gate("nvmlSystemGetDriverVersion");
    if (code)
        return code;
    if (look_up("driver_file", path, sizeof path) == 1) {
        FILE *file = fopen(path, "r");
        if (!file || !fgets(out, (int)room, file))
            code = NOT_SUPPORTED;
        else
            out[strcspn(out, "\r\n")] = 0;
        if (file)
            fclose(file);
        return code;
    }
    return look_up("driver", out, room) == 1 ? OK : NOT_SUPPORTED;
}

int nvmlSystemGetCudaDriverVersion(int *out)
{
    char text[LINE];
    int code = gate("nvmlSystemGetCudaDriverVersion");
    if (code)
        return code;
    if (look_up("cuda", text, sizeof text) != 1)
        return NOT_SUPPORTED;
    *out = atoi(text);
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *out)
{
    char text[LINE];
    int code = gate("nvmlDeviceGetCount");
    if (code)
        return code;
    *out = look_up("gpus", text, sizeof text) == 1 ? (unsigned)atoi(text) : 0;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out)
{
    unsigned count = 0;
    int code = gate("nvmlDeviceGetHandleByIndex");
    if (code || (code = nvmlDeviceGetCount_v2(&count)))
        return code;
    if (index >= count)
        return INVALID;
    *out = (void *)(size_t)(index + 1);
    return OK;
}

static int text_call(const char *function, void *device, const char *key, char *out, unsigned room)
{
    int code = gate(function);
    if (code)
        return code;
    return device_text(index_of(device), key, out, room) == 1 ? OK : NOT_SUPPORTED;
}

static int number_call(const char *function, void *device, const char *key, unsigned *out)
{
    unsigned long long value = 0;
    int code = gate(function);
    if (code || (code = device_number(index_of(device), key, &value)))
        return code;
    *out = (unsigned)value;
    return OK;
}

int nvmlDeviceGetName(void *device, char *out, unsigned room)
{ return text_call("nvmlDeviceGetName", device, "name", out, room); }
int nvmlDeviceGetUUID(void *device, char *out, unsigned room)
{ return text_call("nvmlDeviceGetUUID", device, "uuid", out, room); }

int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
    char text[LINE];
    int code = text_call("nvmlDeviceGetCudaComputeCapability", device, "capability", text, sizeof text);
    if (code)
        return code;
    return sscanf(text, "%d %d", major, minor) == 2 ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetMemoryInfo(void *device, Memory *out)
{
    static unsigned long long readings[16];
    unsigned at = index_of(device);
    unsigned long long total, used = 0, step = 0;
    int code = gate("nvmlDeviceGetMemoryInfo");
    if (code || (code = device_number(at, "total", &total)))
        return code;
    device_number(at, "used", &used);
    device_number(at, "step", &step);
    /* Steps are counted from the last reading without any: tests in one process must not see each other's. */
    if (at < 16)
        used += step * (step ? readings[at]++ : (readings[at] = 0));
    if (used > total)
        used = total;
    out->total = total * MIB;
    out->used = used * MIB;
    out->free = (total - used) * MIB;
    return OK;
}

static int processes(const char *function, void *device, const char *key, unsigned *count, Process *out)
{
    char text[LINE], *word, *rest = text;
    unsigned seen = 0, room = *count;
    int code = gate(function);
    if (code)
        return code;
    if (device_text(index_of(device), key, text, sizeof text) != 1)
        text[0] = 0;
    for (word = strtok_r(rest, " ", &rest); word; word = strtok_r(NULL, " ", &rest), seen++) {
        char *memory = strchr(word, ':');
        if (!out || seen >= room || !memory)
            continue;
        memset(&out[seen], 0, sizeof *out);
        out[seen].pid = (unsigned)atoi(word);
        out[seen].used = memory[1] == '-' ? NOT_TOLD : strtoull(memory + 1, NULL, 0) * MIB;
    }
    *count = seen;
    return seen > room ? TOO_SMALL : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, Process *out)
{ return processes("nvmlDeviceGetComputeRunningProcesses", device, "compute", count, out); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, Process *out)
{ return processes("nvmlDeviceGetGraphicsRunningProcesses", device, "drawing", count, out); }

static int clock_call(const char *function, const char *prefix, void *device, unsigned type, unsigned *out)
{
    static const char *const names[] = {"graphics", "sm", "memory", "video"};
    char key[32];
    if (type > 3)
        return INVALID;
    snprintf(key, sizeof key, "%s%s", prefix, names[type]);
    return number_call(function, device, key, out);
}

int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *out)
{ return clock_call("nvmlDeviceGetClockInfo", "", device, type, out); }
int nvmlDeviceGetMaxClockInfo(void *device, unsigned type, unsigned *out)
{ return clock_call("nvmlDeviceGetMaxClockInfo", "max_", device, type, out); }
int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *out)
{ (void)sensor; return number_call("nvmlDeviceGetTemperature", device, "temperature", out); }
int nvmlDeviceGetPowerUsage(void *device, unsigned *out)
{ return number_call("nvmlDeviceGetPowerUsage", device, "power", out); }
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *out)
{ return number_call("nvmlDeviceGetEnforcedPowerLimit", device, "limit", out); }

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *out)
{
    static unsigned long long readings[16];
    unsigned at = index_of(device);
    unsigned long long step = 0;
    int code = gate("nvmlDeviceGetTotalEnergyConsumption");
    if (code || (code = device_number(at, "energy", out)))
        return code;
    device_number(at, "energy_step", &step);
    *out += step * (at < 16 ? readings[at]++ : 0);
    return OK;
}

int nvmlDeviceGetUtilizationRates(void *device, Utilisation *out)
{
    out->memory = 0;
    return number_call("nvmlDeviceGetUtilizationRates", device, "utilisation", &out->gpu);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *out)
{
    int code = gate("nvmlDeviceGetCurrentClocksThrottleReasons");
    return code ? code : device_number(index_of(device), "throttle", out);
}
