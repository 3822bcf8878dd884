/*
 * S3's XML answers, read by expat: no DTD, no entities, bounded depth, sizes and counts.
 * Strings are NUL-terminated and decoded (encoding-type=url where the answer says so).
 */
#ifndef BACKENDS_S3_S3_XML_H
#define BACKENDS_S3_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

/* <Error>. */
struct s3_xml_error {
    char code[64], message[256], request_id[128], region[64], server_time[64];
};
/* GW_OK = it is one. GW_NOT_FOUND = well-formed, but something else. GW_BAD_MESSAGE = no XML. */
enum gw_err s3_xml_error(struct gw_span body, struct s3_xml_error *out);

/* One key of a listing, upload of ListMultipartUploads, or part of ListParts. */
struct s3_xml_item {
    const char *key; /* listing, uploads; may hold any byte but NUL */
    size_t key_len;
    const char *etag;      /* listing, parts: with its quotes */
    const char *upload_id; /* uploads */
    uint64_t size;         /* listing, parts */
    uint32_t part_number;  /* parts */
    int64_t time_s;        /* LastModified, Initiated; 0 = none */
    bool prefix;           /* listing: a <CommonPrefixes>, key ends in the delimiter */
};
/* False stops the parsing with GW_TOO_LARGE. item is valid during the call. */
typedef bool s3_xml_item_fn(void *arg, const struct s3_xml_item *item);

/* What stands once in an answer; "" where absent. Freed by s3_xml_head_free(). */
struct s3_xml_head {
    bool truncated;
    char *token;     /* NextContinuationToken (listing v2), NextKeyMarker, NextPartNumberMarker */
    char *id_marker; /* NextUploadIdMarker */
    char *upload_id; /* InitiateMultipartUpload */
    char *etag;      /* CompleteMultipartUpload, CopyObject, CopyPart */
    int64_t time_s;  /* Copy's LastModified */
};
void s3_xml_head_free(struct s3_xml_head *h);

enum s3_xml_kind {
    S3_XML_LIST,      /* ListBucketResult, version 2 */
    S3_XML_UPLOADS,   /* ListMultipartUploadsResult */
    S3_XML_PARTS,     /* ListPartsResult */
    S3_XML_INITIATE,  /* InitiateMultipartUploadResult */
    S3_XML_COMPLETE,  /* CompleteMultipartUploadResult */
    S3_XML_COPY,      /* CopyObjectResult */
    S3_XML_COPY_PART, /* CopyPartResult */
};
/* Errors: GW_BAD_MESSAGE: not well-formed, another root, a number that is none, over a bound. */
enum gw_err s3_xml_parse(enum s3_xml_kind kind, struct gw_span body, s3_xml_item_fn *fn, void *arg,
                         struct s3_xml_head *head);

#endif
