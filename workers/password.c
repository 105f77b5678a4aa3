#include "workers/password.h"

#include "lib/ids.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <string.h>

#define MEMORY_KIB 19456
#define PASSES	   2
#define LANES	   1
#define SALT_LEN   16
#define HASH_LEN   32
/* So much of a password must be something else than the person's names. */
#define REST_MIN 8

/* What is tried first among long passwords. Compared without regard to case. */
static const char *const common[] = {
	"000000000000000",
	"0000000000000000",
	"111111111111111",
	"1111111111111111",
	"123123123123123",
	"123412341234123",
	"1234123412341234",
	"123451234512345",
	"123456123456123456",
	"12345678901234",
	"123456789012345",
	"1234567890123456",
	"12345678901234567890",
	"123456789123456",
	"123456789123456789",
	"1234567890qwerty",
	"12345qwertasdfg",
	"1q2w3e4r5t6y7u8i",
	"1q2w3e4r5t6y7u8i9o",
	"1q2w3e4r5t6y7u8i9o0p",
	"1qaz2wsx3edc4rfv",
	"1qaz2wsx3edc4rfv5tgb",
	"987654321987654321",
	"9876543210987654",
	"aaaaaaaaaaaaaaa",
	"aaaaaaaaaaaaaaaa",
	"abc123abc123abc123",
	"abcdefghijklmno",
	"abcdefghijklmnop",
	"abcdefghijklmnopqrstuvwxyz",
	"adminadminadmin",
	"administrator123",
	"administrator1234",
	"asdfasdfasdfasdf",
	"asdfghjklasdfghjkl",
	"asdfghjklqwertyuiop",
	"changemechangeme",
	"changeme12345678",
	"computercomputer",
	"dragondragondragon",
	"footballfootball",
	"iloveyouforever",
	"iloveyouiloveyou",
	"iloveyousomuch1",
	"iloveyousomuch123",
	"letmeinletmeinletmein",
	"letmeinplease123",
	"mynameispassword",
	"passw0rdpassw0rd",
	"password12345678",
	"password123456789",
	"password1234567890",
	"password123password",
	"password1password1",
	"passwordpassword",
	"passwordpassword1",
	"passwordpassword123",
	"passwordpasswordpassword",
	"princessprincess",
	"qazwsxedcrfvtgb",
	"qazwsxedcrfvtgbyhnujm",
	"qwerty1234567890",
	"qwerty123456789",
	"qwertyqwertyqwerty",
	"qwertyuiop12345",
	"qwertyuiop123456",
	"qwertyuiop1234567890",
	"qwertyuiopasdfg",
	"qwertyuiopasdfgh",
	"qwertyuiopasdfghjkl",
	"qwertyuiopasdfghjklzxcvbnm",
	"qwertyuiopqwertyuiop",
	"sunshinesunshine",
	"superman12345678",
	"testtesttesttest",
	"thisisapassword",
	"thisismypassword",
	"thisismypassword1",
	"trustno1trustno1",
	"welcome123456789",
	"welcomewelcome1",
	"whatisyourpassword",
	"xxxxxxxxxxxxxxx",
	"zxcvbnmzxcvbnm1",
	"zxcvbnmasdfghjkl",
	"zaq12wsxcde34rfv",
	"zzzzzzzzzzzzzzz",
};

int password_hash(const char *password, size_t len, char ret_hash[PASSWORD_HASH_MAX])
{
	uint8_t salt[SALT_LEN];
	char hash[PASSWORD_HASH_MAX];

	random_bytes(salt, sizeof(salt));
	if (argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password, len, salt, sizeof(salt), HASH_LEN, hash,
				  sizeof(hash)) != ARGON2_OK)
		return -ENOMEM;
	memcpy(ret_hash, hash, sizeof(hash));
	return 0;
}

bool password_verify(const char *hash, const char *password, size_t len)
{
	/* Nobody's password, made with the same cost. */
	static const char dummy[] = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
				    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	bool right = argon2id_verify(hash ? hash : dummy, password, len) == ARGON2_OK;

	return right && hash;
}

/* Length of password without the occurrences of name; names of fewer than three bytes are in every word. */
static size_t length_without(const char *password, const char *name)
{
	size_t name_len = name ? strlen(name) : 0;
	size_t left = strlen(password);

	if (name_len < 3)
		return left;
	for (const char *at = password; (at = strcasestr(at, name)); at += name_len)
		left -= name_len;
	return left;
}

const char *password_problem(const char *password, const char *username, const char *display_name)
{
	size_t len = strlen(password);

	for (size_t i = 0; i < ARRAY_LEN(common); i++) {
		if (strcasecmp(password, common[i]) == 0)
			return "This password is one of those that are tried first; choose another one.";
	}
	if (len > 0 && strspn(password, (char[]){ password[0], 0 }) == len)
		return "This password is one character repeated; choose another one.";
	if (length_without(password, username) < REST_MIN || length_without(password, display_name) < REST_MIN)
		return "This password is little more than your name; choose another one.";
	return NULL;
}

void password_wipe(void *password, size_t len)
{
	OPENSSL_cleanse(password, len);
}
