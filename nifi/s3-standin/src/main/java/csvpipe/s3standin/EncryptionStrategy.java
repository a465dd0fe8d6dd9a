package csvpipe.s3standin;

import java.util.Arrays;
import org.apache.nifi.components.AllowableValue;

/** The strategies of Apache's StandardS3EncryptionService 2.3.0. The names are the values of its property. */
public enum EncryptionStrategy {
  NONE("None", true),
  SSE_S3("Server-side S3", true),
  SSE_KMS("Server-side KMS", true),
  SSE_C("Server-side Customer Key", true),
  CSE_KMS("Client-side KMS", false),
  CSE_C("Client-side Customer Key", false);

  private final String displayName;
  private final boolean supported;

  EncryptionStrategy(final String displayName, final boolean supported) {
    this.displayName = displayName;
    this.supported = supported;
  }

  public String displayName() {
    return displayName;
  }

  /** Returns whether the stand-in implements it. */
  public boolean isSupported() {
    return supported;
  }

  public static AllowableValue[] allowableValues() {
    return Arrays.stream(values()).map(strategy -> new AllowableValue(strategy.name(), strategy.displayName))
        .toArray(AllowableValue[]::new);
  }
}
