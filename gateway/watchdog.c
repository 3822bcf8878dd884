#include "gateway/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"

/* log_close() waits 3 s for a reader that is stuck. Should the log itself be, the kernel ends it.
 */
#define LOG_S 10u

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool runs;
    struct timespec until; /* CLOCK_MONOTONIC */
    int exit_code;
    const char *reason;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_over(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > dog.until.tv_sec ||
           (now.tv_sec == dog.until.tv_sec && now.tv_nsec >= dog.until.tv_nsec);
}

static void *watch(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&dog.lock);
    while (!is_over())
        (void)pthread_cond_timedwait(&dog.changed, &dog.lock, &dog.until);
    alarm(LOG_S);
    LOG_EVENT(LOG_LVL_ERROR, NULL, "stop", log_str("reason", dog.reason));
    log_close();
    _exit(dog.exit_code);
}

/* With all signals blocked: they belong to the first loop. */
static void start(void)
{
    pthread_condattr_t clock;
    pthread_t thread;
    sigset_t all, old;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&dog.changed, &clock);
    pthread_condattr_destroy(&clock);
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    dog.runs = pthread_create(&thread, NULL, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (dog.runs)
        pthread_detach(thread);
}

void watchdog_arm(uint64_t ms, int exit_code, const char *reason)
{
    pthread_mutex_lock(&dog.lock);
    clock_gettime(CLOCK_MONOTONIC, &dog.until);
    dog.until.tv_sec += (time_t)(ms / 1000);
    dog.until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (dog.until.tv_nsec >= 1000000000L) {
        dog.until.tv_sec++;
        dog.until.tv_nsec -= 1000000000L;
    }
    dog.exit_code = exit_code;
    dog.reason = reason;
    if (!dog.runs)
        start();
    else
        pthread_cond_signal(&dog.changed);
    if (!dog.runs)
        alarm((unsigned)(ms / 1000) + 1); /* no thread to be had: without a word */
    pthread_mutex_unlock(&dog.lock);
}
