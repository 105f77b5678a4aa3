/* links: workers */
#include "tests/support/cm.h"

#include "workers/password.h"

#include <string.h>

static void right_and_wrong(void **state)
{
	static const char password[] = "a long walk by the river";
	char hash[PASSWORD_HASH_MAX], other[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash(password, strlen(password), hash), 0);
	assert_int_equal(password_hash(password, strlen(password), other), 0);
	assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
	assert_string_not_equal(hash, other);
	assert_true(password_verify(hash, password, strlen(password)));
	assert_true(password_verify(other, password, strlen(password)));
	assert_false(password_verify(hash, password, strlen(password) - 1));
	assert_false(password_verify(hash, "", 0));
	assert_false(password_verify(NULL, password, strlen(password)));
	assert_false(password_verify("nonsense", password, strlen(password)));
}

static void refused(void **state)
{
	(void)state;
	assert_non_null(password_problem("passwordpassword", "ana", "Ana"));
	assert_non_null(password_problem("PasswordPassword", "ana", "Ana"));
	assert_non_null(password_problem("123456789012345", "ana", "Ana"));
	assert_non_null(password_problem("################", "ana", "Ana"));
	assert_non_null(password_problem("ana.ferreira.ana.ferreira", "ana.ferreira", "Ana"));
	assert_non_null(password_problem("Ana Ferreira 1234", "ana", "Ana Ferreira"));
}

static void accepted(void **state)
{
	(void)state;
	assert_null(password_problem("a long walk by the river", "ana", "Ana"));
	assert_null(password_problem("bananas are better than pears", "ana", "An"));
	assert_null(password_problem("ana-password-for-tests", "ana", "Ana"));
	assert_null(password_problem("\xc3\xa9\xc3\xa9\xc3\xa9 \xe2\x98\x83 \xe2\x98\x83 enough", "ana", "Ana"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(refused),
		cmocka_unit_test(accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
