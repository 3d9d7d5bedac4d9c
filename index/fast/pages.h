/* What pages.c has for the module that fast.c makes. */

/* Adds the type `Pages`; -1 and an error if that fails. */
int add_pages(PyObject *module);
