package csvpipe.s3standin;

import com.amazonaws.AmazonServiceException;
import com.amazonaws.services.s3.model.AmazonS3Exception;
import java.util.LinkedHashMap;
import java.util.Map;

/** Says why an object could not be written, as FlowFile attributes by Apache's names. */
public final class Failures {

  private Failures() {
  }

  public static Map<String, String> attributesOf(final Exception failure) {
    final Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put("s3.exception", failure.getClass().getName());
    if (failure instanceof final AmazonServiceException refused) {
      attributes.put("s3.statusCode", String.valueOf(refused.getStatusCode()));
      attributes.put("s3.errorCode", String.valueOf(refused.getErrorCode()));
      attributes.put("s3.errorMessage", String.valueOf(refused.getErrorMessage()));
    }
    if (failure instanceof final AmazonS3Exception refused && refused.getAdditionalDetails() != null) {
      attributes.put("s3.additionalDetails", refused.getAdditionalDetails().toString());
    }
    return attributes;
  }
}
