#include "gateway/io/httplib.h"

#include <curl/curl.h>

const char *httplib_version(void)
{
    return curl_version();
}
