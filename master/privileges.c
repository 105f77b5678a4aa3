#include "master/privileges.h"

#include "lib/log.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define USER_STANDARD "parley"

void privileges_raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warn("privileges: the limit on open files stays as it is: %s", strerror(errno));
}

static int become(const char *user)
{
	errno = 0;
	const struct passwd *pw = getpwnam(user);

	if (!pw && strcmp(user, USER_STANDARD) == 0) {
		log_warn("privileges: there is no user %s, everything runs as root; systemd-sysusers or useradd "
			 "--system makes it",
			 user);
		return 0;
	}
	if (!pw) {
		log_error("privileges: server.user: there is no user '%s'", user);
		return -ENOENT;
	}
	if (initgroups(user, pw->pw_gid) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0) {
		int err = -errno;
		log_error("privileges: cannot become user %s: %s", user, strerror(-err));
		return err;
	}
	if (pw->pw_uid != 0 && setuid(0) == 0) {
		log_error("privileges: root could be had back after becoming %s", user);
		return -EPERM;
	}
	return 0;
}

int privileges_drop(const char *user)
{
	int err = 0, death_signal = 0;

	/* The kernel forgets it when the user changes; whoever started us with it (setpriv) still means it. */
	prctl(PR_GET_PDEATHSIG, &death_signal);
	if (geteuid() == 0 && *user)
		err = become(user);
	if (death_signal != 0)
		prctl(PR_SET_PDEATHSIG, death_signal);
	if (err == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	return err;
}
