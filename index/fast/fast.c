/* Lookups in tables that were checked before: what `store/objref/direct.py` does in Python, for machines with a C compiler.
 *
 * Nothing is trusted here. Which bytes are sound is decided in Python, block by block, before their spans are written
 * into the table; a span of zeros is one that nobody checked. Whatever else stands in a table, no address outside of
 * the buffers is read: every place, bucket and span is compared with their lengths. What is not found or not ready is
 * left to Python (`_slow`), which knows the errors.
 *
 * The stable ABI of Python 3.11: one build for all that follow.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "pages.h"

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)0)
#endif

enum {
    AHEAD = 8, /* Lookups of a batch that wait for memory at the same time. */
    TRIES = 8, /* Slots from that of its remainder on in which a key may be (index/objref_index/lookup.py). */
};

typedef struct {
    PyObject_HEAD
    Py_buffer data;  /* the bytes of objects */
    Py_buffer table; /* of a run: start, end; start, end; … in data; else slots: key, start, end */
    uint64_t base;    /* the first key of a run */
    uint64_t count;   /* entries of the table */
    uint64_t modulus; /* of slots; 0: a run */
    uint64_t stride;  /* bytes of an entry */
    int wide;         /* whether starts and ends are u64, not u32 */
} Spans;

/* Tables come from memory that may lie anywhere: compilers make one load of this. */
static uint64_t
u64_at(const Py_buffer *table, uint64_t at)
{
    uint64_t value;
    memcpy(&value, (const char *)table->buf + at, 8);
    return value;
}

static uint32_t
u32_at(const Py_buffer *table, uint64_t at)
{
    uint32_t value;
    memcpy(&value, (const char *)table->buf + at, 4);
    return value;
}

/* The span at this offset of the table; 0 if it is not ready or not within the data. */
static int
span(const Spans *self, uint64_t at, uint64_t *start, uint64_t *end)
{
    *start = self->wide ? u64_at(&self->table, at) : u32_at(&self->table, at);
    *end = self->wide ? u64_at(&self->table, at + 8) : u32_at(&self->table, at + 4);
    return *start < *end && *end <= (uint64_t)self->data.len;
}

/* The span of a key; 0 if it is not there, not ready or not within the data. */
static int
find(const Spans *self, uint64_t key, uint64_t *start, uint64_t *end)
{
    uint64_t i, place = key - self->base, stop;
    if (self->modulus == 0)
        return key >= self->base && place < self->count && span(self, place * self->stride, start, end);
    place = key % self->modulus;
    stop = place + TRIES < self->count ? place + TRIES : self->count;
    for (i = place; i < stop; i++)
        if (u64_at(&self->table, i * self->stride) == key)
            return span(self, i * self->stride + 8, start, end);
    return 0;
}

static PyObject *
spans_getitem(Spans *self, PyObject *key)
{
    if (PyLong_CheckExact(key)) {
        uint64_t start, end, number = PyLong_AsUnsignedLongLong(key);
        if (number == (uint64_t)-1 && PyErr_Occurred())
            PyErr_Clear(); /* negative or no u64: not a key, as -1 is none here that could be ready */
        else if (find(self, number, &start, &end))
            return PyBytes_FromStringAndSize((const char *)self->data.buf + start, (Py_ssize_t)(end - start));
    }
    return PyObject_CallMethod((PyObject *)self, "_slow", "(O)", key);
}

/* -- batches ---------------------------------------------------------------------------------------------- */

/* Keys, and arrays for their starts and ends: words of 8 bytes, as many of each. */
typedef struct {
    Py_buffer keys, starts, ends;
    uint64_t count;
} Batch;

static void
batch_release(Batch *batch)
{
    PyBuffer_Release(&batch->keys);
    PyBuffer_Release(&batch->starts);
    PyBuffer_Release(&batch->ends);
}

static int
batch_sound(Batch *batch)
{
    Py_ssize_t size = batch->keys.len;
    batch->count = (uint64_t)size / 8;
    if (size % 8 == 0 && batch->starts.len == size && batch->ends.len == size)
        return 1;
    PyErr_SetString(PyExc_ValueError, "arrays of 8-byte integers of one length are wanted");
    batch_release(batch);
    return 0;
}

static uint64_t
word_at(const Py_buffer *array, uint64_t i)
{
    return u64_at(array, i * 8);
}

static void
put(Py_buffer *array, uint64_t i, uint64_t value)
{
    memcpy((char *)array->buf + i * 8, &value, 8);
}

/* Where in the table a lookup will look: asked for early, so that lookups wait for memory together. */
static void
expect(const Spans *self, uint64_t key)
{
    uint64_t place = self->modulus != 0 ? key % self->modulus : key - self->base;
    if (place < self->count)
        PREFETCH((const char *)self->table.buf + place * self->stride);
}

/* Writes the span of each key, 0, 0 of those that are not there or not ready. Returns how many these are. */
static uint64_t
locate(const Spans *self, Batch *batch)
{
    uint64_t i, lacking = 0;
    for (i = 0; i < batch->count; i++) {
        uint64_t start, end;
        if (i + AHEAD < batch->count)
            expect(self, word_at(&batch->keys, i + AHEAD));
        if (!find(self, word_at(&batch->keys, i), &start, &end)) {
            start = end = 0;
            lacking++;
        }
        put(&batch->starts, i, start);
        put(&batch->ends, i, end);
    }
    return lacking;
}

static PyObject *
spans_locate(Spans *self, PyObject *args)
{
    Batch batch;
    uint64_t lacking;
    if (!PyArg_ParseTuple(args, "y*w*w*:_locate_into", &batch.keys, &batch.starts, &batch.ends) || !batch_sound(&batch))
        return NULL;
    lacking = locate(self, &batch);
    batch_release(&batch);
    return PyLong_FromUnsignedLongLong(lacking);
}

/* What located spans hold together, if that is no more than `limit`; else -1. */
static Py_ssize_t
total(const Batch *batch, uint64_t limit)
{
    uint64_t i, sum = 0;
    for (i = 0; i < batch->count; i++) {
        uint64_t length = word_at(&batch->ends, i) - word_at(&batch->starts, i);
        if (length > limit - sum)
            return -1;
        sum += length;
    }
    return (Py_ssize_t)sum;
}

/* Copies located spans one after the other, and writes where they are then. They are compared again: arrays that
 * overlap change while they are written. */
static int
join(const Spans *self, Batch *batch, char *to, uint64_t size)
{
    const char *data = self->data.buf;
    uint64_t i, at = 0, have = (uint64_t)self->data.len;
    for (i = 0; i < batch->count; i++) {
        uint64_t start = word_at(&batch->starts, i), length = word_at(&batch->ends, i) - start;
        if (start > have || length > have - start || length > size - at) {
            PyErr_SetString(PyExc_ValueError, "the arrays overlap");
            return 0;
        }
        if (i + AHEAD < batch->count) {
            const char *next = data + word_at(&batch->starts, i + AHEAD);
            PREFETCH(next);
            PREFETCH(next + 64);
        }
        memcpy(to + at, data + start, length);
        put(&batch->starts, i, at);
        put(&batch->ends, i, at += length);
    }
    return 1;
}

static PyObject *
spans_join(Spans *self, PyObject *args)
{
    Batch batch;
    Py_ssize_t limit, size;
    PyObject *joined;
    if (!PyArg_ParseTuple(args, "y*w*w*n:_join_into", &batch.keys, &batch.starts, &batch.ends, &limit) ||
        !batch_sound(&batch))
        return NULL;
    size = limit >= 0 && locate(self, &batch) == 0 ? total(&batch, (uint64_t)limit) : -1;
    joined = size < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(NULL, size);
    if (size >= 0 && joined != NULL && !join(self, &batch, PyBytes_AsString(joined), (uint64_t)size))
        Py_CLEAR(joined);
    batch_release(&batch);
    return joined;
}

/* -- the type --------------------------------------------------------------------------------------------- */

/* Forgets the buffers, then lets go of them: unmapping a file gives way to other threads, which may look something up
 * meanwhile. Of a buffer that was never taken nothing is let go. */
static void
release(Spans *self)
{
    Py_buffer data = self->data, table = self->table;
    memset(&self->data, 0, sizeof self->data);
    memset(&self->table, 0, sizeof self->table);
    self->count = self->modulus = 0;
    PyBuffer_Release(&data);
    PyBuffer_Release(&table);
}

static PyObject *
spans_release(Spans *self, PyObject *nothing)
{
    (void)nothing;
    release(self);
    return Py_NewRef(Py_None);
}

static int
spans_init(Spans *self, PyObject *args, PyObject *named)
{
    static char *names[] = {"data", "table", "word", "base", "modulus", NULL};
    PyObject *data, *table, *base;
    int word;
    Py_ssize_t modulus = 0;
    if (self->table.obj != NULL) {
        PyErr_SetString(PyExc_TypeError, "made once, and for all");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, named, "OOiO!|n:Spans", names, &data, &table, &word, &PyLong_Type, &base,
                                     &modulus))
        return -1;
    self->base = PyLong_AsUnsignedLongLong(base);
    if (PyErr_Occurred())
        return -1;
    if (modulus < 0 || (word != 4 && word != 8)) {
        PyErr_SetString(PyExc_ValueError, "words are of 4 or 8 bytes, and a modulus is not negative");
        return -1;
    }
    if (PyObject_GetBuffer(data, &self->data, PyBUF_SIMPLE) < 0 ||
        PyObject_GetBuffer(table, &self->table, PyBUF_SIMPLE) < 0) {
        release(self);
        return -1;
    }
    self->wide = word == 8;
    self->stride = 2 * (uint64_t)word + (modulus != 0 ? 8 : 0);
    if ((uint64_t)self->table.len % self->stride != 0) {
        release(self);
        PyErr_SetString(PyExc_ValueError, "a table is of whole entries");
        return -1;
    }
    self->count = (uint64_t)self->table.len / self->stride;
    self->modulus = (uint64_t)modulus;
    return 0;
}

static void
spans_dealloc(Spans *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    freefunc free_it = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    free_it(self);
    Py_DECREF(type);
}

static PyMethodDef spans_methods[] = {
    {"_locate_into", (PyCFunction)(void (*)(void))spans_locate, METH_VARARGS,
     "_locate_into(keys, starts, ends)\n--\n\nWrite the spans of u64 keys; 0, 0 for those that are not there or not "
     "ready. Returns how many these are."},
    {"_join_into", (PyCFunction)(void (*)(void))spans_join, METH_VARARGS,
     "_join_into(keys, starts, ends, limit)\n--\n\nThe bytes of these u64 keys, one after the other, and into the arrays "
     "where they are in them. None if one is not there or not ready, or if they are more than the limit."},
    {"_release", (PyCFunction)(void (*)(void))spans_release, METH_NOARGS,
     "_release()\n--\n\nLet go of all tables: nothing is found any more."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot spans_slots[] = {
    {Py_tp_doc, "Bytes of objects by key. A key that is not there or not ready goes to `_slow` of a subclass."},
    {Py_tp_init, spans_init},
    {Py_tp_dealloc, spans_dealloc},
    {Py_tp_methods, spans_methods},
    {Py_mp_subscript, spans_getitem},
    {0, NULL},
};

static PyType_Spec spans_spec = {
    .name = "objref_index._fast.Spans",
    .basicsize = sizeof(Spans),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = spans_slots,
};

static int
fast_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spans_spec);
    int failed = type == NULL || PyModule_AddObjectRef(module, "Spans", type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : add_pages(module);
}

static PyModuleDef_Slot fast_slots[] = {{Py_mod_exec, fast_exec}, {0, NULL}};

static struct PyModuleDef fast_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fast",
    .m_doc = "Lookups in checked tables, and pages seen before.",
    .m_slots = fast_slots,
};

PyMODINIT_FUNC
PyInit__fast(void)
{
    return PyModuleDef_Init(&fast_module);
}
