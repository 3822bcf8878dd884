#include <stdio.h>
#include <string.h>

#include "backends/s3/s3_abort.h"
#include "backends/s3/s3_journal.h"
#include "backends/s3/s3_sweep.h"
#include "backends/s3/s3_xml.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/io/work.h"

#define PAGE "1000"
/* Of the uploads of notes no more are held than these and a page: whoever may write into the bucket
 * can begin as many as he likes. */
#define OLD_MAX 1000u
/* Between our clock and S3's there is less, or it takes no request of ours. */
#define CLOCKS_APART_S (15 * 60)

/* First what the journal says that dead runs of ours left, at once and of any age. Where that is
 * only a note of a key: the uploads of this key from about that time that no part was ever sent to,
 * unless a run that lives is storing it: the client of the dead one may be back. The uploads of
 * many notes are listed before the journal is read again: what is listed was noted before it began.
 * Then, by age, whatever else is unfinished below our prefix. */
enum sweep_state {
    SWEEP_JOURNAL, /* for the pool, which reads the journal */
    SWEEP_OWN,     /* for the abort of entries[at], which has an id */
    SWEEP_PAGE,    /* for a page of ListMultipartUploads */
    SWEEP_PARTS,   /* for a page of ListParts of the first of `old` */
    SWEEP_RUNS,    /* for the pool, which looks what living runs store */
    SWEEP_OLD,     /* for the abort of the first of `old` */
    SWEEP_TIDY,    /* for the pool, which tidies up the journal */
};

struct old {
    struct list node;
    struct s3_journal_entry *note; /* of its key; NULL = it is here by its age */
    char *key, *upload_id;
};

struct sweep {
    struct op op;
    struct s3_store *store;
    enum sweep_state state;
    struct op *step;
    struct s3_journal_entry *entries;
    size_t nentries, at;
    struct s3_journal_entry *note; /* whose key is listed; NULL = all are */
    struct s3_journal_entry *living;
    size_t nliving;
    bool living_known; /* else nothing that is noted is ended */
    bool by_age;       /* the notes are done with */
    struct list old;
    size_t listed; /* uploads of notes, since it was asked what living runs store */
    char *key_marker, *id_marker, *part_marker;
    bool truncated;
    bool active; /* the upload got a part, lately or if there is a note ever: somebody's work */
    unsigned aborted, failed;
    backend_done_fn *done;
    void *arg;
};

/* What the pool works on; outlives a cancelled sweep. */
struct journal_job {
    struct sweep *sweep;
    char *state_dir, *name, *bucket;
    enum sweep_state job;
    bool known;
    struct s3_journal_entry *entries;
    size_t n;
};

static void next_own(struct sweep *s);
static void next_page(struct sweep *s);
static void next_old(struct sweep *s);

static void old_free(struct old *o)
{
    list_remove(&o->node);
    mem_free(o->key);
    mem_free(o->upload_id);
    mem_free(o);
}

static struct old *first_old(struct sweep *s)
{
    return LIST_ENTRY(list_first(&s->old), struct old, node);
}

static void sweep_free(struct sweep *s)
{
    op_cancel(&s->step);
    while (!list_empty(&s->old))
        old_free(first_old(s));
    s3_journal_free(&s->entries, s->nentries);
    s3_journal_free(&s->living, s->nliving);
    mem_free(s->key_marker);
    mem_free(s->id_marker);
    mem_free(s->part_marker);
    s3_store_unref(&s->store);
    mem_free(s);
}

static void cancel(struct op *op)
{
    sweep_free((struct sweep *)op);
}

static const struct op_type sweep_type = {"s3_sweep", cancel};

static void end(struct sweep *s, enum gw_err err, const char *why)
{
    char text[FS_TEXT_MAX];
    snprintf(text, sizeof text, "%u unfinished multipart uploads aborted, %u could not be%s%s",
             s->aborted, s->failed, why != NULL ? ": " : "", why != NULL ? why : "");
    s->done(s->arg, err, text);
    sweep_free(s);
}

static void replace(char **to, const char *text)
{
    char *copy = mem_strdup(text);
    mem_free(*to);
    *to = copy;
}

static void journal_job_free(struct journal_job *j)
{
    s3_journal_free(&j->entries, j->n);
    mem_free(j->state_dir);
    mem_free(j->name);
    mem_free(j->bucket);
    mem_free(j);
}

static void journal_run(void *arg)
{
    struct journal_job *j = arg;
    if (j->job == SWEEP_RUNS) {
        j->known = s3_journal_living(j->state_dir, j->name, j->bucket, &j->entries, &j->n);
        return;
    }
    if (j->job == SWEEP_JOURNAL) {
        s3_journal_left(j->state_dir, j->name, j->bucket, &j->entries, &j->n);
        return;
    }
    for (size_t i = 0; i < j->n; i++)
        if (j->entries[i].over)
            s3_journal_forget(&j->entries[i]);
    s3_journal_tidy(j->state_dir);
}

static void journal_done(void *arg)
{
    struct journal_job *j = arg;
    struct sweep *s = j->sweep;
    enum sweep_state job = j->job;
    s->step = NULL;
    if (job == SWEEP_JOURNAL) {
        s->entries = j->entries;
        s->nentries = j->n;
    } else if (job == SWEEP_RUNS) {
        s3_journal_free(&s->living, s->nliving);
        s->listed = 0;
        s->living = j->entries;
        s->nliving = j->n;
        s->living_known = j->known;
    }
    if (job != SWEEP_TIDY) {
        j->entries = NULL;
        j->n = 0;
    }
    journal_job_free(j);
    if (job == SWEEP_JOURNAL)
        next_own(s);
    else if (job == SWEEP_RUNS)
        next_old(s);
    else
        end(s, GW_OK, NULL);
}

static void journal_orphan(void *arg, bool ran)
{
    (void)ran;
    journal_job_free(arg);
}

static const struct work_fns journal_fns = {
    .run = journal_run, .done = journal_done, .orphan = journal_orphan};

static void journal(struct sweep *s, enum sweep_state job)
{
    struct journal_job *j = mem_zalloc(sizeof *j);
    j->sweep = s;
    j->state_dir = mem_strdup(s->store->base.env.state_dir);
    j->name = mem_strdup(s->store->base.name);
    j->bucket = mem_strdup(s->store->conf->bucket);
    j->job = s->state = job;
    if (job == SWEEP_TIDY) {
        j->entries = s->entries;
        j->n = s->nentries;
        s->entries = NULL;
        s->nentries = 0;
    }
    s->step = work_start(s->store->base.env.loop, &journal_fns, j);
}

/* Done with an entry, or with the listing of a note; `forget` it, or leave it to the next start. */
static void own_over(struct sweep *s, bool forget)
{
    if (!forget)
        s->entries[s->at].over = false;
    s->note = NULL;
    s->truncated = false; /* a listing may have failed in between */
    s->at++;
    next_own(s);
}

static void own_ended(void *arg, bool gone)
{
    struct sweep *s = arg;
    s->step = NULL;
    s->aborted += gone;
    s->failed += !gone;
    own_over(s, gone);
}

static void begin_pages(struct sweep *s, struct s3_journal_entry *note)
{
    s->note = note;
    s->truncated = false;
    mem_free(s->key_marker);
    mem_free(s->id_marker);
    s->key_marker = s->id_marker = NULL;
    next_page(s);
}

static void sweep_by_age(struct sweep *s)
{
    s->by_age = true;
    if (s->store->conf->sweep_age_h == 0)
        journal(s, SWEEP_TIDY);
    else
        begin_pages(s, NULL);
}

static void next_own(struct sweep *s)
{
    if (s->at == s->nentries) {
        if (list_empty(&s->old))
            sweep_by_age(s);
        else
            journal(s, SWEEP_RUNS);
        return;
    }
    struct s3_journal_entry *e = &s->entries[s->at];
    e->over = true; /* if nothing is left of it */
    if (e->upload_id[0] == '\0') {
        begin_pages(s, e);
        return;
    }
    s->state = SWEEP_OWN;
    s->step = s3_abort_start(s->store, e->key, e->upload_id, own_ended, s);
}

static int64_t too_old_s(const struct sweep *s)
{
    return s3_client_now_s(s->store->client) - (int64_t)s->store->conf->sweep_age_h * 3600;
}

static bool is_looked_for(const struct sweep *s, const struct s3_xml_item *item)
{
    if (s->note == NULL)
        return item->time_s <= too_old_s(s);
    int64_t apart = item->time_s - s->note->written_s;
    return strcmp(item->key, s->note->key) == 0 && apart >= -CLOCKS_APART_S &&
           apart <= CLOCKS_APART_S;
}

static bool on_upload(void *arg, const struct s3_xml_item *item)
{
    struct sweep *s = arg;
    if (item->upload_id == NULL || item->time_s == 0 || item->key_len > S3_KEY_MAX ||
        strlen(item->key) != item->key_len || !is_looked_for(s, item))
        return true;
    struct old *o = mem_zalloc(sizeof *o);
    o->note = s->note;
    o->key = mem_strdup(item->key);
    o->upload_id = mem_strdup(item->upload_id);
    list_push(&s->old, &o->node);
    s->listed++;
    return true;
}

/* Of a note. */
static void list_on(struct sweep *s)
{
    if (s->truncated)
        next_page(s);
    else
        own_over(s, true);
}

static void page_done(void *arg, const struct remote_res *res)
{
    struct sweep *s = arg;
    struct s3_xml_head head = {0};
    s->step = NULL;
    enum gw_err err = res->err;
    if (err == GW_OK)
        err = s3_xml_parse(S3_XML_UPLOADS, res->body, on_upload, s, &head);
    if (err != GW_OK) {
        s3_xml_head_free(&head);
        if (s->note != NULL) {
            s->failed += err != GW_UNSUPPORTED;
            own_over(s, err == GW_UNSUPPORTED);
            return;
        }
        /* A server without this listing has nothing for us to sweep. */
        end(s, err == GW_UNSUPPORTED ? GW_OK : err, res->err != GW_OK ? res->text : "no XML");
        return;
    }
    const char *key = head.token != NULL ? head.token : "";
    const char *id = head.id_marker != NULL ? head.id_marker : "";
    bool moved =
        s->key_marker == NULL || strcmp(s->key_marker, key) != 0 || strcmp(s->id_marker, id) != 0;
    s->truncated = head.truncated && moved && (*key != '\0' || *id != '\0');
    replace(&s->key_marker, key);
    replace(&s->id_marker, id);
    s3_xml_head_free(&head);
    if (s->note == NULL)
        next_old(s);
    else if (s->listed >= OLD_MAX)
        journal(s, SWEEP_RUNS);
    else
        list_on(s);
}

static void next_page(struct sweep *s)
{
    const char *prefix = s->note != NULL ? s->note->key : s->store->conf->prefix;
    struct s3_param query[5];
    size_t n = 0;
    if (s->key_marker != NULL && *s->key_marker != '\0')
        query[n++] = (struct s3_param){"key-marker", s->key_marker};
    query[n++] = (struct s3_param){"max-uploads", PAGE};
    if (prefix != NULL && *prefix != '\0')
        query[n++] = (struct s3_param){"prefix", prefix};
    if (s->id_marker != NULL && *s->id_marker != '\0')
        query[n++] = (struct s3_param){"upload-id-marker", s->id_marker};
    query[n++] = (struct s3_param){"uploads", NULL};
    s->state = SWEEP_PAGE;
    const struct s3_req req = {.method = "GET", .query = query, .nquery = n};
    s->step = s3_client_start(s->store->client, &req, page_done, s);
}

static void old_ended(void *arg, bool gone)
{
    struct sweep *s = arg;
    s->step = NULL;
    s->aborted += gone;
    s->failed += !gone;
    old_free(first_old(s));
    next_old(s);
}

static void abort_old(struct sweep *s)
{
    const struct old *o = first_old(s);
    s->state = SWEEP_OLD;
    s->step = s3_abort_start(s->store, o->key, o->upload_id, old_ended, s);
}

static void spare_old(struct sweep *s)
{
    old_free(first_old(s));
    next_old(s);
}

static bool on_part(void *arg, const struct s3_xml_item *item)
{
    struct sweep *s = arg;
    s->active |= first_old(s)->note != NULL || item->time_s > too_old_s(s);
    return true;
}

static bool is_stored(const struct sweep *s, const char *key)
{
    return !s->living_known || s3_journal_has(s->living, s->nliving, key);
}

static void list_parts(struct sweep *s);

static void parts_done(void *arg, const struct remote_res *res)
{
    struct sweep *s = arg;
    struct s3_xml_head head = {0};
    s->step = NULL;
    enum gw_err err = res->err;
    if (err == GW_OK)
        err = s3_xml_parse(S3_XML_PARTS, res->body, on_part, s, &head);
    bool more = err == GW_OK && head.truncated && head.token != NULL && !s->active &&
                (s->part_marker == NULL || strcmp(s->part_marker, head.token) != 0);
    if (more)
        replace(&s->part_marker, head.token);
    s3_xml_head_free(&head);
    struct old *o = first_old(s);
    if (more) {
        list_parts(s);
    } else if (err != GW_OK || s->active) {
        spare_old(s); /* gone, not ours to read, or in use */
    } else if (o->note != NULL && is_stored(s, o->key)) {
        o->note->over = false;
        spare_old(s);
    } else {
        abort_old(s);
    }
}

/* An upload that began long ago may still be fed, by another gateway too. */
static void list_parts(struct sweep *s)
{
    const struct old *o = first_old(s);
    struct s3_param query[3] = {{"max-parts", PAGE}};
    size_t n = 1;
    if (s->part_marker != NULL)
        query[n++] = (struct s3_param){"part-number-marker", s->part_marker};
    query[n++] = (struct s3_param){"uploadId", o->upload_id};
    s->state = SWEEP_PARTS;
    const struct s3_req req = {.method = "GET", .key = o->key, .query = query, .nquery = n};
    s->step = s3_client_start(s->store->client, &req, parts_done, s);
}

static void next_old(struct sweep *s)
{
    if (!list_empty(&s->old)) {
        mem_free(s->part_marker);
        s->part_marker = NULL;
        s->active = false;
        list_parts(s);
    } else if (s->note != NULL) {
        list_on(s);
    } else if (s->truncated) {
        next_page(s);
    } else if (!s->by_age) {
        sweep_by_age(s);
    } else {
        journal(s, SWEEP_TIDY);
    }
}

struct op *s3_sweep_start(struct s3_store *store, backend_done_fn *done, void *arg)
{
    if (store->base.env.state_dir == NULL && store->conf->sweep_age_h == 0)
        return NULL;
    struct sweep *s = mem_zalloc(sizeof *s);
    s->op.type = &sweep_type;
    s->store = s3_store_ref(store);
    s->done = done;
    s->arg = arg;
    list_init(&s->old);
    journal(s, SWEEP_JOURNAL);
    return &s->op;
}
