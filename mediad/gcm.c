#include "mediad/gcm.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef PARLEY_IPSEC_MB
#include <intel-ipsec-mb.h>
#else
struct gcm_key_data {
	uint8_t none;
};
#endif

struct gcm {
	struct gcm_key_data key __attribute__((aligned(64)));
	EVP_CIPHER_CTX *evp; /* NULL: by ipsec-mb */
};

static EVP_CIPHER *evp_cipher;

#ifdef PARLEY_IPSEC_MB
static IMB_MGR *manager; /* NULL: not with this processor */

static void manager_start(void)
{
	manager = alloc_mb_mgr(0);
	if (!manager)
		return;
	init_mb_mgr_auto(manager, NULL);
	if (imb_get_errno(manager) == 0 && (manager->features & IMB_CPUFLAGS_SSE) == IMB_CPUFLAGS_SSE)
		return;
	free_mb_mgr(manager);
	manager = NULL;
}

static void manager_stop(void)
{
	if (manager)
		free_mb_mgr(manager);
	manager = NULL;
}

static bool manager_is_up(void)
{
	return manager;
}

static void manager_key(const uint8_t key[GCM_KEY_LEN], struct gcm_key_data *ret)
{
	IMB_AES128_GCM_PRE(manager, key, ret);
}

static void manager_seal(const struct gcm *gcm, const uint8_t iv[GCM_IV_LEN], const uint8_t *aad, size_t aad_len,
			 uint8_t *text, size_t len)
{
	struct gcm_context_data context;

	IMB_AES128_GCM_ENC(manager, &gcm->key, &context, text, text, len, iv, aad, aad_len, text + len, GCM_TAG_LEN);
}
#else
static void manager_start(void)
{
}

static void manager_stop(void)
{
}

static bool manager_is_up(void)
{
	return false;
}

static void manager_key(const uint8_t key[GCM_KEY_LEN], struct gcm_key_data *ret)
{
	(void)key;
	(void)ret;
}

static void manager_seal(const struct gcm *gcm, const uint8_t iv[GCM_IV_LEN], const uint8_t *aad, size_t aad_len,
			 uint8_t *text, size_t len)
{
	(void)gcm;
	(void)iv;
	(void)aad;
	(void)aad_len;
	(void)text;
	(void)len;
}
#endif

int gcm_start(void)
{
	if (!evp_cipher)
		evp_cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	if (!evp_cipher)
		return -EIO;
	if (!manager_is_up())
		manager_start();
	return 0;
}

void gcm_stop(void)
{
	manager_stop();
	EVP_CIPHER_free(evp_cipher);
	evp_cipher = NULL;
}

const char *gcm_name(void)
{
	return manager_is_up() ? "ipsec-mb" : "OpenSSL";
}

static struct gcm *gcm_alloc(void)
{
	struct gcm *gcm = aligned_alloc(_Alignof(struct gcm), sizeof(*gcm));

	if (gcm)
		memset(gcm, 0, sizeof(*gcm));
	return gcm;
}

int gcm_new_evp(const uint8_t key[GCM_KEY_LEN], struct gcm **ret_gcm)
{
	struct gcm *gcm = gcm_alloc();

	if (!gcm)
		return -ENOMEM;
	gcm->evp = EVP_CIPHER_CTX_new();
	if (!gcm->evp || EVP_EncryptInit_ex(gcm->evp, evp_cipher, NULL, key, NULL) != 1) {
		int err = gcm->evp ? -EIO : -ENOMEM;
		gcm_free(gcm);
		return err;
	}
	*ret_gcm = gcm;
	return 0;
}

int gcm_new(const uint8_t key[GCM_KEY_LEN], struct gcm **ret_gcm)
{
	if (!manager_is_up())
		return gcm_new_evp(key, ret_gcm);
	struct gcm *gcm = gcm_alloc();
	if (!gcm)
		return -ENOMEM;
	manager_key(key, &gcm->key);
	*ret_gcm = gcm;
	return 0;
}

struct gcm *gcm_free(struct gcm *gcm)
{
	if (!gcm)
		return NULL;
	EVP_CIPHER_CTX_free(gcm->evp);
	explicit_bzero(gcm, sizeof(*gcm));
	free(gcm);
	return NULL;
}

static int evp_seal(EVP_CIPHER_CTX *evp, const uint8_t iv[GCM_IV_LEN], const uint8_t *aad, size_t aad_len,
		    uint8_t *text, size_t len)
{
	int n;

	if (EVP_EncryptInit_ex(evp, NULL, NULL, NULL, iv) != 1 ||
	    EVP_EncryptUpdate(evp, NULL, &n, aad, (int)aad_len) != 1)
		return -EIO;
	if (len > 0 && EVP_EncryptUpdate(evp, text, &n, text, (int)len) != 1)
		return -EIO;
	if (EVP_EncryptFinal_ex(evp, text + len, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LEN, text + len) != 1)
		return -EIO;
	return 0;
}

int gcm_seal(struct gcm *gcm, const uint8_t iv[GCM_IV_LEN], const uint8_t *aad, size_t aad_len, uint8_t *text,
	     size_t len)
{
	if (gcm->evp)
		return evp_seal(gcm->evp, iv, aad, aad_len, text, len);
	manager_seal(gcm, iv, aad, aad_len, text, len);
	return 0;
}
