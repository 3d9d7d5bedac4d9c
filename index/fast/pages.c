/* Pages seen before: what `Seen` in store/objref/container/pages.py does in Python, slot for slot, and so byte for byte.
 *
 * A hash nominates, the bytes decide: pages of one batch are compared here, those stored before in Python, which can
 * read them. So the file does not depend on the hash, only how often pages are compared in vain. It is NH (Black et al.,
 * UMAC, 1999) in words of 64 bits: a sum of products of words, to each of which a random one was added; whoever does not
 * know these cannot make pages collide. 512 of them, once for each table.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "pages.h"

#if defined(__SIZEOF_INT128__)

enum {
    PAGE = 4096,
    WORDS = PAGE / 8,
    SMALLEST = 1024, /* Entries of an empty table. */
};

static const uint32_t ZERO = 0xFFFFFFFF, NEW = 0xFFFFFFFE; /* In place of slots (container/format.py). */

typedef struct {
    uint64_t hash;
    uint32_t slot;
    uint32_t taken;
} Entry;

typedef struct {
    PyObject_HEAD
    Entry *entries;
    uint64_t size; /* a power of two, or 0 before it was made; at most half of the entries are taken */
    uint64_t taken;
    uint64_t cap;
    uint64_t mask; /* bits of hashes that are used: fewer in tests */
    uint64_t key[WORDS];
} Pages;

static uint64_t
hash_of(const Pages *self, const char *page)
{
    unsigned __int128 sum = 0;
    uint64_t words[2], i;
    for (i = 0; i < WORDS; i += 2) {
        memcpy(words, page + 8 * i, 16);
        sum += (unsigned __int128)(words[0] + self->key[i]) * (words[1] + self->key[i + 1]);
    }
    return ((uint64_t)sum ^ (uint64_t)(sum >> 64)) & self->mask;
}

static int
is_zero(const char *page)
{
    static const char zeros[8];
    return memcmp(page, zeros, 8) == 0 && memcmp(page, page + 8, PAGE - 8) == 0;
}

/* The entry of this hash, or the free one where it would be. There are free ones. */
static Entry *
entry_of(Entry *entries, uint64_t size, uint64_t hash)
{
    uint64_t at = hash * 0x9E3779B97F4A7C15u >> 20;
    while (entries[at & (size - 1)].taken && entries[at & (size - 1)].hash != hash)
        at++;
    return &entries[at & (size - 1)];
}

/* Room for so many entries more, as far as the cap allows; 0 and an error without memory. */
static int
make_room(Pages *self, uint64_t more)
{
    uint64_t i, wanted = self->taken + more < self->cap ? self->taken + more : self->cap, size = SMALLEST;
    Entry *entries;
    while (size < 2 * wanted)
        size *= 2;
    if (size <= self->size)
        return 1;
    entries = PyMem_Calloc(size, sizeof *entries);
    if (entries == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (i = 0; i < self->size; i++)
        if (self->entries[i].taken)
            *entry_of(entries, size, self->entries[i].hash) = self->entries[i];
    PyMem_Free(self->entries);
    self->entries = entries;
    self->size = size;
    return 1;
}

/* -- a batch ---------------------------------------------------------------------------------------------- */

typedef struct {
    Py_buffer data, hashes, slots;
    uint64_t count;
} Batch;

static void
batch_release(Batch *batch)
{
    PyBuffer_Release(&batch->data);
    PyBuffer_Release(&batch->hashes);
    PyBuffer_Release(&batch->slots);
}

static int
batch_sound(Batch *batch)
{
    uint64_t length = (uint64_t)batch->data.len;
    batch->count = length / PAGE;
    if (length % PAGE == 0 && (uint64_t)batch->hashes.len == 8 * batch->count &&
        (uint64_t)batch->slots.len == 4 * batch->count)
        return 1;
    PyErr_SetString(PyExc_ValueError, "whole pages are wanted, and for each 8 bytes for a hash and 4 for a slot");
    batch_release(batch);
    return 0;
}

static const char *
page_of(const Batch *batch, uint64_t i)
{
    return (const char *)batch->data.buf + i * PAGE;
}

static void
set_slot(Batch *batch, uint64_t i, uint32_t slot)
{
    memcpy((char *)batch->slots.buf + 4 * i, &slot, 4);
}

static int
append(PyObject *list, uint64_t number)
{
    PyObject *object = PyLong_FromUnsignedLongLong(number);
    int done = object != NULL && PyList_Append(list, object) == 0;
    Py_XDECREF(object);
    return done;
}

/* Hashes of all pages, and slots; pages that may have been seen go to the list. 0 and an error without memory. */
static int
look(const Pages *self, Batch *batch, PyObject *known, uint64_t *zero)
{
    uint64_t i;
    for (i = 0; i < batch->count; i++) {
        uint64_t hash = 0;
        uint32_t slot = ZERO;
        if (is_zero(page_of(batch, i))) {
            ++*zero;
        } else {
            const Entry *entry;
            hash = hash_of(self, page_of(batch, i));
            entry = entry_of(self->entries, self->size, hash);
            slot = entry->taken ? entry->slot : NEW;
            if (entry->taken && !append(known, i))
                return 0;
        }
        memcpy((char *)batch->hashes.buf + 8 * i, &hash, 8);
        set_slot(batch, i, slot);
    }
    return 1;
}

static PyObject *
pages_look(Pages *self, PyObject *args)
{
    Batch batch;
    PyObject *known, *found = NULL;
    uint64_t zero = 0;
    if (!PyArg_ParseTuple(args, "y*w*w*:look", &batch.data, &batch.hashes, &batch.slots) || !batch_sound(&batch))
        return NULL;
    known = make_room(self, 0) ? PyList_New(0) : NULL;
    if (known != NULL && look(self, &batch, known, &zero))
        found = Py_BuildValue("KO", (unsigned long long)zero, known);
    Py_XDECREF(known);
    batch_release(&batch);
    return found;
}

/* Gives new pages the slots from `first` on, those that are the same one; their places go to `fresh`, of which there
 * are *count then. Places in `fresh` are below the number of pages, as are pages in it. */
static void
number(Pages *self, Batch *batch, uint32_t first, uint32_t *fresh, uint64_t *count)
{
    uint64_t i;
    for (i = 0; i < batch->count; i++) {
        uint64_t hash;
        uint32_t slot, place;
        Entry *entry;
        memcpy(&slot, (const char *)batch->slots.buf + 4 * i, 4);
        if (slot != NEW)
            continue;
        memcpy(&hash, (const char *)batch->hashes.buf + 8 * i, 8);
        entry = entry_of(self->entries, self->size, hash);
        place = entry->slot - first; /* of pages stored before: above all places */
        if (entry->taken && place < *count && memcmp(page_of(batch, fresh[place]), page_of(batch, i), PAGE) == 0) {
            set_slot(batch, i, entry->slot);
            continue;
        }
        slot = first + (uint32_t)*count;
        if (!entry->taken && self->taken < self->cap) {
            *entry = (Entry){hash, slot, 1};
            self->taken++;
        }
        set_slot(batch, i, slot);
        fresh[(*count)++] = (uint32_t)i;
    }
}

/* [start, end, start, end, …] of places that follow each other. */
static PyObject *
runs_of(const uint32_t *places, uint64_t count)
{
    PyObject *runs = PyList_New(0);
    uint64_t i, start = 0;
    for (i = 1; runs != NULL && i <= count; i++) {
        if (i < count && places[i] == places[i - 1] + 1)
            continue;
        if (!append(runs, places[start]) || !append(runs, (uint64_t)places[i - 1] + 1))
            Py_CLEAR(runs);
        start = i;
    }
    return runs;
}

static PyObject *
pages_number(Pages *self, PyObject *args)
{
    Batch batch;
    unsigned int first;
    uint32_t *fresh;
    uint64_t count = 0;
    PyObject *runs = NULL;
    if (!PyArg_ParseTuple(args, "y*w*w*I:number", &batch.data, &batch.hashes, &batch.slots, &first) ||
        !batch_sound(&batch))
        return NULL;
    fresh = PyMem_Malloc((batch.count + 1) * sizeof *fresh);
    if (fresh == NULL)
        PyErr_NoMemory();
    else if (make_room(self, batch.count)) {
        number(self, &batch, first, fresh, &count);
        runs = runs_of(fresh, count);
    }
    PyMem_Free(fresh);
    batch_release(&batch);
    return runs;
}

/* -- the type --------------------------------------------------------------------------------------------- */

static int
pages_init(Pages *self, PyObject *args, PyObject *named)
{
    static char *names[] = {"cap", "key", "mask", NULL};
    Py_ssize_t cap;
    Py_buffer key;
    unsigned long long mask = UINT64_MAX;
    if (!PyArg_ParseTupleAndKeywords(args, named, "ny*|K:Pages", names, &cap, &key, &mask))
        return -1;
    if (cap < 0 || key.len != PAGE || self->entries != NULL) {
        PyBuffer_Release(&key);
        PyErr_SetString(PyExc_ValueError, "a cap is not negative, a key has 4096 bytes, and a table is made once");
        return -1;
    }
    memcpy(self->key, key.buf, PAGE);
    PyBuffer_Release(&key);
    self->cap = (uint64_t)cap;
    self->mask = mask;
    return 0;
}

static PyObject *
pages_taken(Pages *self, void *nothing)
{
    (void)nothing;
    return PyLong_FromUnsignedLongLong(self->taken);
}

static void
pages_dealloc(Pages *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    freefunc free_it = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyMem_Free(self->entries);
    free_it(self);
    Py_DECREF(type);
}

static PyMethodDef pages_methods[] = {
    {"look", (PyCFunction)(void (*)(void))pages_look, METH_VARARGS,
     "look(data, hashes, slots)\n--\n\nWrite a u64 hash and a u32 slot for each page. Returns how many are zero, and "
     "which may have been seen."},
    {"number", (PyCFunction)(void (*)(void))pages_number, METH_VARARGS,
     "number(data, hashes, slots, first)\n--\n\nGive new pages slots. Returns starts and ends of runs to be stored."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pages_getset[] = {
    {"taken", (getter)pages_taken, NULL, "How many pages are remembered.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pages_slots[] = {
    {Py_tp_doc, "Pages by hash, up to a cap."},
    {Py_tp_init, pages_init},
    {Py_tp_dealloc, pages_dealloc},
    {Py_tp_methods, pages_methods},
    {Py_tp_getset, pages_getset},
    {0, NULL},
};

static PyType_Spec pages_spec = {
    .name = "objref_index._fast.Pages",
    .basicsize = sizeof(Pages),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = pages_slots,
};

int
add_pages(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&pages_spec);
    int failed = type == NULL || PyModule_AddObjectRef(module, "Pages", type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

#else

int
add_pages(PyObject *module)
{
    (void)module; /* no words of 128 bits: Python does it */
    return 0;
}

#endif
