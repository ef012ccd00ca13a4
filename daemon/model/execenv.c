#include "model/execenv.h"

#include <string.h>

/* A trailing star covers all that begin so. After sudo's list of what it removes (env.c). */
static const char *const denied[] = {
	"LD_*",
	"DYLD_*",
	"GLIBC_TUNABLES",
	"GCONV_PATH",
	"GETCONF_DIR",
	"LOCPATH",
	"NLSPATH",
	"MALLOC_*",
	"PATH",
	"CDPATH",
	"IFS",
	"ENV",
	"BASH_*",
	"BASHOPTS",
	"SHELLOPTS",
	"PS4",
	"PROMPT_COMMAND",
	"ZDOTDIR",
	"FPATH",
	"PERL*",
	"PYTHON*",
	"RUBY*",
	"NODE_*",
	"JAVA_*",
	"JDK_*",
	"_JAVA_*",
	"CLASSPATH",
	"LUA_*",
	"PHP*",
	"R_*",
	"AWK*",
	"TCL*",
	"GIT_*",
	"EDITOR",
	"VISUAL",
	"PAGER",
	"BROWSER",
	"LESSOPEN",
	"LESSCLOSE",
	"MANPAGER",
	"TERMINFO*",
	"TERMCAP",
	"HOSTALIASES",
	"LOCALDOMAIN",
	"RES_OPTIONS",
	"RESOLV_*",
	"OPENSSL_*",
	"SSLKEYLOGFILE",
	"GIO_*",
	"GTK_*",
	"QT_*",
	"TMPPREFIX",
	"LISTEN_*",
	"NOTIFY_SOCKET",
	"XDG_*",
	"HOME",
	"DBUS_*",
	"SUDO_*",
	"RSYNC_*",
	"CURL_HOME",
};

bool execenv_allowed(struct slice name)
{
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		size_t n = strlen(denied[i]);
		bool all = denied[i][n - 1] == '*';
		n -= all;
		if ((all ? name.n >= n : name.n == n) && memcmp(name.p, denied[i], n) == 0)
			return false;
	}
	return true;
}
