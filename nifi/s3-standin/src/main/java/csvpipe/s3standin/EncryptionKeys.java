package csvpipe.s3standin;

import com.amazonaws.services.s3.model.SSEAwsKeyManagementParams;
import com.amazonaws.services.s3.model.SSECustomerKey;
import java.util.Base64;
import java.util.Optional;

/** Keys of an encryption strategy: which it needs, and what a request says about them. */
public final class EncryptionKeys {

  private static final int AES_256_BYTES = 32;

  private EncryptionKeys() {
  }

  public static SSEAwsKeyManagementParams ofKms(final String keyId) {
    return new SSEAwsKeyManagementParams(keyId);
  }

  public static SSECustomerKey ofCustomer(final String keyMaterial) {
    return new SSECustomerKey(keyMaterial);
  }

  /** Returns what is wrong with the key for the strategy. The text does not contain the key. */
  public static Optional<String> faultOf(final EncryptionStrategy strategy, final String key) {
    final boolean isMissing = key == null || key.isEmpty();
    return switch (strategy) {
      case NONE, SSE_S3 -> faultIf(key != null, "there must be none for " + strategy.displayName());
      case SSE_KMS, CSE_KMS -> faultIf(isMissing, "there must be a key id for " + strategy.displayName());
      case SSE_C, CSE_C -> faultIf(isMissing || !isAes256(key), "it must be an AES-256 key in Base64");
    };
  }

  private static Optional<String> faultIf(final boolean isFault, final String text) {
    return isFault ? Optional.of(text) : Optional.empty();
  }

  private static boolean isAes256(final String keyMaterial) {
    try {
      return Base64.getDecoder().decode(keyMaterial).length == AES_256_BYTES;
    } catch (final IllegalArgumentException notBase64) {
      return false;
    }
  }
}
