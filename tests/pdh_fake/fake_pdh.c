/* A pdh.dll for the counters of GPU memory, laid out by the compiler from the declarations of pdh.h.
 *
 * FAKE_PDH_STATE names a text file, read at each collection: a line "COUNTER|INSTANCE|STATUS|BYTES" for each value,
 * "absent" for a Windows without the object, "grow N" to need more room at the second call of the next N questions. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef struct {
    uint32_t CStatus;
    union { int32_t longValue; double doubleValue; long long largeValue; const wchar_t *WideStringValue; };
} PDH_FMT_COUNTERVALUE;
typedef struct { wchar_t *szName; PDH_FMT_COUNTERVALUE FmtValue; } PDH_FMT_COUNTERVALUE_ITEM_W;

#define MORE_DATA 0x800007D2u
#define NO_OBJECT 0xC0000BB8u
#define INVALID_ARGUMENT 0xC0000BBDu
#define MOST 256

static struct { char counter[40]; char instance[80]; uint32_t status; long long bytes; } rows[MOST];
static int count, absent, grow, opened;

static void load(void) {
    char line[300], *path = getenv("FAKE_PDH_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    count = 0; absent = file == NULL; grow = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "absent", 6)) absent = 1;
        else if (sscanf(line, "grow %d", &grow) == 1) continue;
        else if (count < MOST && sscanf(line, "%39[^|]|%79[^|]|%u|%lld", rows[count].counter, rows[count].instance,
                                        &rows[count].status, &rows[count].bytes) == 4) count++;
    }
    if (file) fclose(file);
}

int32_t PdhOpenQueryW(const wchar_t *source, uintptr_t data, void **query) {
    if (source || data) return (int32_t)INVALID_ARGUMENT;
    opened++; *query = (void *)(uintptr_t)0x7fff12345678; load(); return 0;
}

int32_t PdhCloseQuery(void *query) {
    if (query != (void *)(uintptr_t)0x7fff12345678) return (int32_t)INVALID_ARGUMENT;
    opened--; return 0;
}

int32_t fake_opened(void) { return opened; }

int32_t PdhAddEnglishCounterW(void *query, const wchar_t *path, uintptr_t data, void **counter) {
    const wchar_t *front = L"\\GPU Process Memory(*)\\";
    if (query != (void *)(uintptr_t)0x7fff12345678 || data) return (int32_t)INVALID_ARGUMENT;
    if (absent || wcsncmp(path, front, wcslen(front))) return (int32_t)NO_OBJECT;
    char *name = malloc(40);
    snprintf(name, 40, "%ls", path + wcslen(front));
    *counter = name; return 0;
}

int32_t PdhCollectQueryData(void *query) {
    if (query != (void *)(uintptr_t)0x7fff12345678) return (int32_t)INVALID_ARGUMENT;
    load(); return absent ? (int32_t)NO_OBJECT : 0;
}

int32_t PdhGetFormattedCounterArrayW(void *counter, uint32_t format, uint32_t *size, uint32_t *items,
                                     PDH_FMT_COUNTERVALUE_ITEM_W *buffer) {
    size_t mine = 0, letters = 0;
    if (format != 0x1400) return (int32_t)INVALID_ARGUMENT;
    if (buffer && grow) {  /* a process began: one more line */
        grow--; count = count < MOST ? count + 1 : count;
        rows[count - 1] = rows[0]; snprintf(rows[count - 1].instance, 80, "pid_%d_luid_0x0_0x1_phys_0", 90000 + grow);
    }
    for (int i = 0; i < count; i++)
        if (!strcmp(rows[i].counter, counter)) { mine++; letters += strlen(rows[i].instance) + 1; }
    size_t need = mine * sizeof *buffer + letters * sizeof(wchar_t);
    if (!mine) { *size = 0; *items = 0; return 0; }
    if (!buffer || *size < need) { *size = (uint32_t)need; return (int32_t)MORE_DATA; }
    wchar_t *text = (wchar_t *)(buffer + mine);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(rows[i].counter, counter)) continue;
        size_t length = strlen(rows[i].instance) + 1;
        for (size_t k = 0; k < length; k++) text[k] = (unsigned char)rows[i].instance[k];
        memset(&buffer[at], 0xAA, sizeof buffer[at]);  /* padding is not nought */
        buffer[at].szName = text;
        buffer[at].FmtValue.CStatus = rows[i].status;
        buffer[at].FmtValue.largeValue = rows[i].bytes;
        text += length; at++;
    }
    *size = (uint32_t)need; *items = (uint32_t)mine; return 0;
}
