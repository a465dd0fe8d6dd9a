package csvpipe.s3standin;

import com.amazonaws.services.s3.model.StorageClass;
import java.util.Arrays;
import java.util.List;
import org.apache.nifi.components.PropertyDescriptor;
import org.apache.nifi.components.ValidationResult;
import org.apache.nifi.components.Validator;
import org.apache.nifi.expression.ExpressionLanguageScope;
import org.apache.nifi.processor.DataUnit;
import org.apache.nifi.processors.aws.credentials.provider.service.AWSCredentialsProviderService;
import org.apache.nifi.processors.aws.s3.AmazonS3EncryptionService;
import org.apache.nifi.ssl.SSLContextProvider;

/**
 * The properties of Apache's PutS3Object 2.3.0, by the same names and with the same defaults.
 *
 * <p>All that an export of Apache's lists with a value is here, also what this stand-in takes in one value only: a
 * property that it did not know would become user metadata of every object.
 */
public final class S3Properties {

  private static final long MIN_PART_BYTES = 50L * 1024 * 1024;
  private static final long MAX_PART_BYTES = 5L * 1024 * 1024 * 1024;

  public static final PropertyDescriptor BUCKET = text("Bucket").defaultValue("${s3.bucket}").required(true).build();
  public static final PropertyDescriptor KEY = text("Object Key").defaultValue("${filename}").required(true).build();
  public static final PropertyDescriptor REGION = text("Region").defaultValue("us-west-2").required(true)
      .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).build();
  public static final PropertyDescriptor CREDENTIALS = new PropertyDescriptor.Builder()
      .name("AWS Credentials Provider service").displayName("AWS Credentials Provider Service")
      .identifiesControllerService(AWSCredentialsProviderService.class).required(true).build();
  public static final PropertyDescriptor SOURCE = only("Resource Transfer Source", "FLOWFILE_CONTENT");
  public static final PropertyDescriptor STORAGE_CLASS = new PropertyDescriptor.Builder().name("Storage Class")
      .allowableValues(Arrays.stream(StorageClass.values()).map(StorageClass::name).toArray(String[]::new))
      .defaultValue(StorageClass.Standard.name()).required(true).build();
  public static final PropertyDescriptor ENCRYPTION = new PropertyDescriptor.Builder().name("server-side-encryption")
      .displayName("Server Side Encryption").allowableValues("None", "AES256").defaultValue("None").required(true)
      .build();
  public static final PropertyDescriptor ENCRYPTION_SERVICE = new PropertyDescriptor.Builder()
      .name("encryption-service").displayName("Encryption Service").description("Not supported by the stand-in.")
      .identifiesControllerService(AmazonS3EncryptionService.class).required(false).build();
  public static final PropertyDescriptor MULTIPART_THRESHOLD = partSize("Multipart Threshold");
  public static final PropertyDescriptor MULTIPART_PART_SIZE = partSize("Multipart Part Size");
  public static final PropertyDescriptor MULTIPART_AGEOFF_INTERVAL = period("Multipart Upload AgeOff Interval", "60 min");
  public static final PropertyDescriptor MULTIPART_MAX_AGE = period("Multipart Upload Max Age Threshold", "7 days");
  public static final PropertyDescriptor TEMPORARY_DIRECTORY = text("s3-temporary-directory-multipart")
      .displayName("Temporary Directory Multipart State").defaultValue("${java.io.tmpdir}").required(true)
      .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).build();
  public static final PropertyDescriptor CONTENT_TYPE = text("Content Type").build();
  public static final PropertyDescriptor CANNED_ACL = text("canned-acl").displayName("Canned ACL")
      .defaultValue("${s3.permissions.cannedacl}").build();
  public static final PropertyDescriptor TIMEOUT = period("Communications Timeout", "30 secs");
  public static final PropertyDescriptor SSL_CONTEXT = new PropertyDescriptor.Builder().name("SSL Context Service")
      .description("Not supported by the stand-in.").identifiesControllerService(SSLContextProvider.class)
      .required(false).build();
  public static final PropertyDescriptor ENDPOINT = text("Endpoint Override URL")
      .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).build();
  public static final PropertyDescriptor SIGNER = only("Signer Override", "Default Signature");
  public static final PropertyDescriptor CHUNKED_ENCODING = flag("use-chunked-encoding", "Use Chunked Encoding", "true");
  public static final PropertyDescriptor PATH_STYLE = flag("use-path-style-access", "Use Path Style Access", "false");

  public static final List<PropertyDescriptor> ALL = List.of(BUCKET, KEY, REGION, CREDENTIALS, SOURCE, STORAGE_CLASS,
      ENCRYPTION, ENCRYPTION_SERVICE, CONTENT_TYPE, CANNED_ACL, SSL_CONTEXT, TIMEOUT, ENDPOINT, SIGNER,
      MULTIPART_THRESHOLD, MULTIPART_PART_SIZE, MULTIPART_AGEOFF_INTERVAL, MULTIPART_MAX_AGE, TEMPORARY_DIRECTORY,
      CHUNKED_ENCODING, PATH_STYLE);

  private static final Validator PART_SIZE = (subject, input, context) -> {
    boolean valid;
    try {
      final double bytes = DataUnit.parseDataSize(input, DataUnit.B);
      valid = bytes >= MIN_PART_BYTES && bytes <= MAX_PART_BYTES;
    } catch (final IllegalArgumentException notASize) {
      valid = false;
    }
    return new ValidationResult.Builder().subject(subject).input(input).valid(valid)
        .explanation("it must be a size from 50 MB to 5 GB").build();
  };

  private S3Properties() {
  }

  private static PropertyDescriptor.Builder text(final String name) {
    return new PropertyDescriptor.Builder().name(name).addValidator(Validator.VALID)
        .expressionLanguageSupported(ExpressionLanguageScope.FLOWFILE_ATTRIBUTES);
  }

  private static PropertyDescriptor only(final String name, final String value) {
    return new PropertyDescriptor.Builder().name(name).allowableValues(value).defaultValue(value).required(true)
        .build();
  }

  private static PropertyDescriptor flag(final String name, final String displayName, final String value) {
    return new PropertyDescriptor.Builder().name(name).displayName(displayName).allowableValues("true", "false")
        .defaultValue(value).required(false).build();
  }

  private static PropertyDescriptor partSize(final String name) {
    return new PropertyDescriptor.Builder().name(name).defaultValue("5 GB").required(true)
        .addValidator((subject, input, context) -> PART_SIZE.validate(subject, input, context)).build();
  }

  private static PropertyDescriptor period(final String name, final String value) {
    return new PropertyDescriptor.Builder().name(name).defaultValue(value).required(true)
        .addValidator(Validator.VALID).build();
  }
}
