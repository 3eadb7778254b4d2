/* form.h - a map of named fields as a client packs it, field by field. In a header: not every test has msgpack-c. */
#ifndef FORM_H
#define FORM_H

#include "support.h"

#include <msgpack.h>
#include <string.h>

struct form {
    msgpack_sbuffer body, whole;
    msgpack_packer packer; /* of the body */
    uint32_t count;
    msgpack_unpacked unpacked;
};

static inline void form_init(struct form *form)
{
    *form = (struct form){.count = 0};
    msgpack_sbuffer_init(&form->body);
    msgpack_sbuffer_init(&form->whole);
    msgpack_packer_init(&form->packer, &form->body, msgpack_sbuffer_write);
    msgpack_unpacked_init(&form->unpacked);
}

static inline void form_deinit(struct form *form)
{
    msgpack_unpacked_destroy(&form->unpacked);
    msgpack_sbuffer_destroy(&form->body);
    msgpack_sbuffer_destroy(&form->whole);
}

static inline void form_put_text(struct form *form, const char *text)
{
    msgpack_pack_str_with_body(&form->packer, text, strlen(text));
}

/* Its value is packed by the caller, into packer. */
static inline void form_name(struct form *form, const char *name)
{
    form->count++;
    form_put_text(form, name);
}

static inline void form_text(struct form *form, const char *name, const char *text)
{
    form_name(form, name);
    form_put_text(form, text);
}

static inline void form_bytes(struct form *form, const char *name, const void *data, size_t size)
{
    form_name(form, name);
    msgpack_pack_bin_with_body(&form->packer, data, size);
}

static inline void form_int(struct form *form, const char *name, int64_t value)
{
    form_name(form, name);
    msgpack_pack_int64(&form->packer, value);
}

static inline void form_double(struct form *form, const char *name, double value)
{
    form_name(form, name);
    msgpack_pack_double(&form->packer, value);
}

static inline void form_bool(struct form *form, const char *name, int value)
{
    form_name(form, name);
    if (value)
        msgpack_pack_true(&form->packer);
    else
        msgpack_pack_false(&form->packer);
}

/* Further texts, ended by NULL. */
__attribute__((sentinel)) static inline void form_texts(struct form *form, const char *name, ...)
{
    va_list texts;
    size_t count = 0;
    va_start(texts, name);
    while (va_arg(texts, const char *) != NULL)
        count++;
    va_end(texts);
    form_name(form, name);
    msgpack_pack_array(&form->packer, count);
    va_start(texts, name);
    for (const char *text; (text = va_arg(texts, const char *)) != NULL;)
        form_put_text(form, text);
    va_end(texts);
}

/* What it holds so far, unpacked; *borrowed* until the next call on form. Fails the test when that cannot be. */
static inline const msgpack_object *form_map(struct form *form)
{
    msgpack_packer packer;
    size_t offset = 0;
    msgpack_unpacked_destroy(&form->unpacked);
    msgpack_sbuffer_clear(&form->whole);
    msgpack_packer_init(&packer, &form->whole, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, form->count);
    msgpack_sbuffer_write(&form->whole, form->body.data, form->body.size);
    msgpack_unpacked_init(&form->unpacked);
    assert_int_equal(msgpack_unpack_next(&form->unpacked, form->whole.data, form->whole.size, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(form->unpacked.data.type, MSGPACK_OBJECT_MAP);
    return &form->unpacked.data;
}

#endif
