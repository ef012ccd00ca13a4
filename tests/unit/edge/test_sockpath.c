/*
 * The path of a listening socket: what stands there already is looked at, and left alone unless it
 * is a dead socket.
 */
#include "edge/sockpath.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64], path[96];

static void set_up(void)
{
	strcpy(dir, "/tmp/sockpath-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.sock", dir);
}

static void tear_down(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static enum err try_listen(const char *at, struct sockpath *sp)
{
	int fd;
	ck_assert_int_eq(sockpath_init(sp, at), ERR_OK);
	enum err e = sockpath_listen(sp, 0660, 5, &fd);
	if (e == ERR_OK)
		close(fd);
	return e;
}

START_TEST(a_file_a_link_and_a_directory_are_left_alone)
{
	struct sockpath sp;
	char text[8] = "";
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(write(fd, "data", 4), 4);
	close(fd);
	ck_assert_int_eq(try_listen(path, &sp), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(sp.failure, "regular file"));
	char link[96];
	snprintf(link, sizeof(link), "%s/link", dir);
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(try_listen(link, &sp), ERR_CONFLICT);
	ck_assert_int_eq(try_listen(dir, &sp), ERR_CONFLICT);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(read(fd, text, 4), 4);
	ck_assert_str_eq(text, "data");
	close(fd);
	snprintf(link, sizeof(link), "%s.lock", dir);
	unlink(link);
}
END_TEST

static int foreign(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

START_TEST(a_living_socket_of_others_is_left_alone_and_a_dead_one_replaced)
{
	struct sockpath sp;
	struct stat st;
	int fd = foreign();
	ck_assert_int_eq(try_listen(path, &sp), ERR_EXISTS);
	ck_assert_int_eq(lstat(path, &st), 0);
	close(fd); /* now nobody listens any more */
	ck_assert_int_eq(try_listen(path, &sp), ERR_OK);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	sockpath_leave(&sp);
	ck_assert_int_eq(lstat(path, &st), -1);
}
END_TEST

START_TEST(at_its_end_only_what_is_still_ours_is_removed)
{
	struct sockpath sp;
	struct stat st;
	int own;
	ck_assert_int_eq(sockpath_init(&sp, path), ERR_OK);
	ck_assert_int_eq(sockpath_listen(&sp, 0660, 5, &own), ERR_OK);
	ck_assert_int_eq(unlink(path), 0);
	int fd = foreign();
	sockpath_leave(&sp);
	ck_assert_int_eq(lstat(path, &st), 0);
	close(own);
	close(fd);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
	struct sockpath sp;
	char longer[200];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(sockpath_init(&sp, longer), ERR_INVALID);
	ck_assert_int_eq(sockpath_init(&sp, ""), ERR_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sockpath");
	TCase *t = tcase_create("path");
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_file_a_link_and_a_directory_are_left_alone);
	tcase_add_test(t, a_living_socket_of_others_is_left_alone_and_a_dead_one_replaced);
	tcase_add_test(t, at_its_end_only_what_is_still_ours_is_removed);
	tcase_add_test(t, a_path_that_is_too_long_is_refused);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
