#include "auth/identity_words.h"
#include "gateway/base/rfc3339.h"

#define MASKED "********"

static json_t *strs_to_json(char *const *v, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(v[i]));
    return a;
}

static json_t *perms_to_json(uint32_t perms)
{
    json_t *a = json_array();
    if (perms == PERM_ALL) {
        json_array_append_new(a, json_string("*"));
        return a;
    }
    /* Only the words of one bit: groups would say the same twice. */
    for (const struct identity_perm_word *w = identity_perm_words; w->word != NULL; w++) {
        uint32_t p = w->perms;
        if ((p & (p - 1)) == 0 && (perms & p) != 0)
            json_array_append_new(a, json_string(w->word));
    }
    return a;
}

static json_t *limits_to_json(const struct identity_limits *l)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "sessions", (json_int_t)l->sessions,
                     "upload_kib_s", (json_int_t)l->upload_kib_s, "download_kib_s",
                     (json_int_t)l->download_kib_s, "quota_bytes", (json_int_t)l->quota_bytes,
                     "quota_files", (json_int_t)l->quota_files, "max_file_bytes",
                     (json_int_t)l->max_file_bytes);
}

/* Of a store of its own only the type: which of its other keys are secret is not known here. */
static json_t *mount_to_json(const struct identity_mount *m)
{
    json_t *o = json_pack("{s:s, s:s, s:b}", "path", m->path, "prefix", m->prefix, "read_only",
                          (int)m->read_only);
    if (m->backend != NULL) {
        json_object_set_new(o, "backend", json_string(m->backend));
        return o;
    }
    json_t *store = json_loads(m->store, 0, NULL);
    json_object_set_new(o, "store", json_pack("{s:O}", "type", json_object_get(store, "type")));
    json_decref(store);
    return o;
}

static json_t *credentials_to_json(const struct identity_credentials *c)
{
    if (c->set != NULL)
        return json_string(c->set);
    json_t *o =
        json_pack("{s:s, s:s}", "access_key_id", c->access_key_id, "secret_access_key", MASKED);
    if (c->session_token != NULL)
        json_object_set_new(o, "session_token", json_string(MASKED));
    return o;
}

json_t *identity_to_json(const struct identity *id)
{
    json_t *o = json_object();
    json_object_set_new(o, "user", json_string(id->user));
    json_object_set_new(o, "home", json_string(id->home));
    json_object_set_new(o, "restrict_to_home", json_boolean(id->restrict_to_home));
    json_t *mounts = json_array();
    for (size_t i = 0; i < id->nmounts; i++)
        json_array_append_new(mounts, mount_to_json(&id->mounts[i]));
    json_object_set_new(o, "mounts", mounts);
    if (id->nperms > 0) {
        json_t *perms = json_object();
        for (size_t i = 0; i < id->nperms; i++)
            json_object_set_new(perms, id->perms[i].path, perms_to_json(id->perms[i].perms));
        json_object_set_new(o, "permissions", perms);
    }
    json_object_set_new(o, "limits", limits_to_json(&id->limits));
    json_object_set_new(o, "public_keys", strs_to_json(id->public_keys, id->npublic_keys));
    json_object_set_new(o, "next_methods", strs_to_json(id->next_methods, id->nnext_methods));
    json_object_set_new(o, "methods", strs_to_json(id->methods, id->nmethods));
    json_object_set_new(o, "allow", strs_to_json(id->allow, id->nallow));
    if (id->expires_s != 0) {
        char when[32];
        rfc3339_format(id->expires_s, when);
        json_object_set_new(o, "expires", json_string(when));
    }
    if (id->banner != NULL)
        json_object_set_new(o, "banner", json_string(id->banner));
    if (id->idle_s != 0)
        json_object_set_new(o, "idle_s", json_integer(id->idle_s));
    if (id->credentials.set != NULL || id->credentials.access_key_id != NULL)
        json_object_set_new(o, "credentials", credentials_to_json(&id->credentials));
    json_object_set_new(o, "partial_uploads",
                        json_string(identity_partial_words[id->partial_uploads]));
    return o;
}
