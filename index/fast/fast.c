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

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)0)
#endif

enum { AHEAD = 8 }; /* Lookups of a batch that wait for memory at the same time. */

typedef struct {
    PyObject_HEAD
    Py_buffer data;  /* the bytes of objects */
    Py_buffer spans; /* start, end; start, end; … in data */
    Py_buffer keys;  /* u64, ascending; none: a run from base on */
    Py_buffer radix; /* u32, ascending: of each bucket of keys, its first place */
    uint64_t base;   /* the smallest key */
    uint64_t count;  /* places */
    uint64_t buckets;
    int wide;  /* whether spans are u64, not u32 */
    int shift; /* from (key - base) to its bucket */
} Spans;

/* Tables come from memory that may lie anywhere: compilers make one load of this. */
static uint64_t
u64_at(const Py_buffer *table, uint64_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)table->buf + i * 8, 8);
    return value;
}

static uint32_t
u32_at(const Py_buffer *table, uint64_t i)
{
    uint32_t value;
    memcpy(&value, (const char *)table->buf + i * 4, 4);
    return value;
}

/* The place of a key; `count` if it is not there. */
static uint64_t
find(const Spans *self, uint64_t key)
{
    uint64_t low = 0, high = self->count, place = key - self->base;
    if (key < self->base)
        return self->count;
    if (self->keys.buf == NULL)
        return place < self->count ? place : self->count;
    if (self->radix.buf != NULL) {
        uint64_t bucket = place >> self->shift;
        if (bucket >= self->buckets)
            return self->count;
        low = u32_at(&self->radix, bucket);
        high = u32_at(&self->radix, bucket + 1);
        if (high > self->count)
            return self->count;
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (u64_at(&self->keys, middle) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->count && u64_at(&self->keys, low) == key ? low : self->count;
}

/* The span of a place < count; 0 if it is not ready or not within the data. */
static int
span(const Spans *self, uint64_t place, uint64_t *start, uint64_t *end)
{
    *start = self->wide ? u64_at(&self->spans, 2 * place) : u32_at(&self->spans, 2 * place);
    *end = self->wide ? u64_at(&self->spans, 2 * place + 1) : u32_at(&self->spans, 2 * place + 1);
    return *start < *end && *end <= (uint64_t)self->data.len;
}

static PyObject *
spans_getitem(Spans *self, PyObject *key)
{
    if (PyLong_CheckExact(key)) {
        uint64_t start, end, number = PyLong_AsUnsignedLongLong(key);
        if (number == (uint64_t)-1 && PyErr_Occurred())
            PyErr_Clear(); /* negative or no u64: not a key, as -1 is none here that could be ready */
        else {
            uint64_t place = find(self, number);
            if (place < self->count && span(self, place, &start, &end))
                return PyBytes_FromStringAndSize((const char *)self->data.buf + start, (Py_ssize_t)(end - start));
        }
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

static void
put(Py_buffer *array, uint64_t i, uint64_t value)
{
    memcpy((char *)array->buf + i * 8, &value, 8);
}

/* Where in the tables a lookup will look: asked for early, so that lookups wait for memory together. */
static void
expect(const Spans *self, uint64_t key)
{
    uint64_t place = key - self->base;
    if (key < self->base)
        return;
    if (self->keys.buf == NULL && place < self->count)
        PREFETCH((const char *)self->spans.buf + place * (self->wide ? 16 : 8));
    else if (self->radix.buf != NULL && place >> self->shift < self->buckets)
        PREFETCH((const char *)self->radix.buf + (place >> self->shift) * 4);
}

/* Writes the span of each key, 0, 0 of those that are not there or not ready. Returns how many these are. */
static uint64_t
locate(const Spans *self, Batch *batch)
{
    uint64_t i, lacking = 0;
    for (i = 0; i < batch->count; i++) {
        uint64_t start, end, place;
        if (i + AHEAD < batch->count)
            expect(self, u64_at(&batch->keys, i + AHEAD));
        place = find(self, u64_at(&batch->keys, i));
        if (place >= self->count || !span(self, place, &start, &end)) {
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
        uint64_t length = u64_at(&batch->ends, i) - u64_at(&batch->starts, i);
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
        uint64_t start = u64_at(&batch->starts, i), length = u64_at(&batch->ends, i) - start;
        if (start > have || length > have - start || length > size - at) {
            PyErr_SetString(PyExc_ValueError, "the arrays overlap");
            return 0;
        }
        if (i + AHEAD < batch->count) {
            const char *next = data + u64_at(&batch->starts, i + AHEAD);
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

static void
drop(Py_buffer *buffer)
{
    PyBuffer_Release(buffer); /* of what was never taken: nothing */
    memset(buffer, 0, sizeof *buffer);
}

static void
release(Spans *self)
{
    drop(&self->data);
    drop(&self->spans);
    drop(&self->keys);
    drop(&self->radix);
    self->count = self->buckets = 0;
    self->shift = 0;
}

static PyObject *
spans_release(Spans *self, PyObject *nothing)
{
    (void)nothing;
    release(self);
    return Py_NewRef(Py_None);
}

/* Takes the buffer of what is not None. */
static int
take(PyObject *from, Py_buffer *buffer)
{
    return from == Py_None ? 0 : PyObject_GetBuffer(from, buffer, PyBUF_SIMPLE);
}

static const char *
wrong(const Spans *self, int word)
{
    if (word != 4 && word != 8)
        return "words are of 4 or 8 bytes";
    if (self->spans.len % (2 * word) != 0)
        return "spans are pairs of words";
    if (self->keys.obj != NULL && (uint64_t)self->keys.len != self->count * 8)
        return "as many keys as spans are wanted";
    if (self->radix.obj != NULL && (self->keys.obj == NULL || self->radix.len < 8 || self->radix.len % 4 != 0))
        return "a directory is of keys, two words of 4 bytes or more";
    return self->shift < 0 || self->shift > 63 ? "a shift is 0…63" : NULL;
}

static int
spans_init(Spans *self, PyObject *args, PyObject *named)
{
    static char *names[] = {"data", "spans", "word", "base", "keys", "radix", "shift", NULL};
    PyObject *data, *spans, *base, *keys = Py_None, *radix = Py_None;
    int word;
    const char *text;
    if (self->spans.obj != NULL) {
        PyErr_SetString(PyExc_TypeError, "made once, and for all");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, named, "OOiO!|OOi:Spans", names, &data, &spans, &word, &PyLong_Type, &base,
                                     &keys, &radix, &self->shift))
        return -1;
    self->base = PyLong_AsUnsignedLongLong(base);
    if (PyErr_Occurred())
        return -1;
    if (take(data, &self->data) < 0 || take(spans, &self->spans) < 0 || take(keys, &self->keys) < 0 ||
        take(radix, &self->radix) < 0) {
        release(self);
        return -1;
    }
    self->wide = word == 8;
    self->count = word > 0 ? (uint64_t)self->spans.len / (2 * (uint64_t)word) : 0;
    self->buckets = self->radix.len >= 8 ? (uint64_t)self->radix.len / 4 - 1 : 0;
    text = wrong(self, word);
    if (text != NULL) {
        release(self);
        PyErr_SetString(PyExc_ValueError, text);
        return -1;
    }
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
    return failed ? -1 : 0;
}

static PyModuleDef_Slot fast_slots[] = {{Py_mod_exec, fast_exec}, {0, NULL}};

static struct PyModuleDef fast_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fast",
    .m_doc = "Lookups in checked tables.",
    .m_slots = fast_slots,
};

PyMODINIT_FUNC
PyInit__fast(void)
{
    return PyModuleDef_Init(&fast_module);
}
