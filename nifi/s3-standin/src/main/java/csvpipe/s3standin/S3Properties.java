package csvpipe.s3standin;

import com.amazonaws.regions.Regions;
import com.amazonaws.services.s3.model.StorageClass;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.nifi.components.PropertyDescriptor;
import org.apache.nifi.components.Validator;
import org.apache.nifi.expression.ExpressionLanguageScope;
import org.apache.nifi.processors.aws.credentials.provider.service.AWSCredentialsProviderService;
import org.apache.nifi.processors.aws.s3.AmazonS3EncryptionService;
import org.apache.nifi.ssl.SSLContextProvider;

/**
 * The properties of Apache's PutS3Object 2.3.0, by the same names, with the same defaults and allowable values.
 *
 * <p>All of them are here, also those of which this stand-in takes the default only ({@link #AT_DEFAULT_ONLY}): a
 * property that it did not know would become user metadata of every object.
 */
public final class S3Properties {

  public static final PropertyDescriptor BUCKET = text("Bucket").defaultValue("${s3.bucket}").required(true).build();
  public static final PropertyDescriptor KEY = text("Object Key").defaultValue("${filename}").required(true).build();
  public static final PropertyDescriptor REGION = choice("Region", "us-west-2", Stream.concat(
      Arrays.stream(Regions.values()).map(Regions::getName), Stream.of("attribute-defined-region"))).build();
  public static final PropertyDescriptor CREDENTIALS = new PropertyDescriptor.Builder()
      .name("AWS Credentials Provider service").displayName("AWS Credentials Provider Service")
      .identifiesControllerService(AWSCredentialsProviderService.class).required(true).build();
  public static final PropertyDescriptor STORAGE_CLASS = choice("Storage Class", StorageClass.Standard.name(),
      Arrays.stream(StorageClass.values()).map(StorageClass::name).sorted()).build();
  public static final PropertyDescriptor ENCRYPTION = choice("server-side-encryption", "None",
      Stream.of("None", "AES256")).displayName("Server Side Encryption").build();
  public static final PropertyDescriptor ENCRYPTION_SERVICE = new PropertyDescriptor.Builder()
      .name("encryption-service").displayName("Encryption Service")
      .identifiesControllerService(AmazonS3EncryptionService.class).build();
  public static final PropertyDescriptor CONTENT_TYPE = text("Content Type").build();
  public static final PropertyDescriptor CANNED_ACL = text("canned-acl").displayName("Canned ACL")
      .defaultValue("${s3.permissions.cannedacl}").build();
  public static final PropertyDescriptor TIMEOUT = checked("Communications Timeout", "30 secs", Validators.PERIOD);
  public static final PropertyDescriptor ENDPOINT = new PropertyDescriptor.Builder().name("Endpoint Override URL")
      .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).addValidator(Validators.ENDPOINT).build();
  public static final PropertyDescriptor MULTIPART_THRESHOLD =
      checked("Multipart Threshold", "5 GB", Validators.PART_SIZE);
  public static final PropertyDescriptor MULTIPART_PART_SIZE =
      checked("Multipart Part Size", "5 GB", Validators.PART_SIZE);
  public static final PropertyDescriptor CHUNKED_ENCODING = flag("use-chunked-encoding", "Use Chunked Encoding", "true");
  public static final PropertyDescriptor PATH_STYLE = flag("use-path-style-access", "Use Path Style Access", "false");

  // Of no effect here: nothing of an upload outlives a try, so there is no state and no age.
  private static final PropertyDescriptor MULTIPART_AGEOFF_INTERVAL =
      checked("Multipart Upload AgeOff Interval", "60 min", Validators.PERIOD);
  private static final PropertyDescriptor MULTIPART_MAX_AGE =
      checked("Multipart Upload Max Age Threshold", "7 days", Validators.PERIOD);
  private static final PropertyDescriptor TEMPORARY_DIRECTORY = new PropertyDescriptor.Builder()
      .name("s3-temporary-directory-multipart").displayName("Temporary Directory Multipart State")
      .defaultValue("${java.io.tmpdir}").required(true).addValidator(Validators.FILE_EXISTS)
      .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).build();

  private static final PropertyDescriptor SOURCE = choice("Resource Transfer Source", "FLOWFILE_CONTENT",
      Stream.of("FLOWFILE_CONTENT", "FILE_RESOURCE_SERVICE")).build();
  private static final PropertyDescriptor FILE_SERVICE =
      text("File Resource Service").dependsOn(SOURCE, "FILE_RESOURCE_SERVICE").build();
  private static final PropertyDescriptor CONTENT_DISPOSITION = new PropertyDescriptor.Builder()
      .name("Content Disposition").allowableValues("inline", "attachment").build();
  private static final PropertyDescriptor CACHE_CONTROL = text("Cache Control").build();
  private static final PropertyDescriptor TAGS_PREFIX =
      text("s3-object-tags-prefix").displayName("Object Tags Prefix").build();
  private static final PropertyDescriptor REMOVE_TAGS_PREFIX =
      flag("s3-object-remove-tags-prefix", "Remove Tag Prefix", "false");
  private static final PropertyDescriptor EXPIRATION_RULE = text("Expiration Time Rule").build();
  private static final PropertyDescriptor FULL_CONTROL_USERS = users("FullControl User List", "permissions.full.users");
  private static final PropertyDescriptor READ_USERS = users("Read Permission User List", "permissions.read.users");
  private static final PropertyDescriptor WRITE_USERS = users("Write Permission User List", "permissions.write.users");
  private static final PropertyDescriptor READ_ACL_USERS = users("Read ACL User List", "permissions.readacl.users");
  private static final PropertyDescriptor WRITE_ACL_USERS = users("Write ACL User List", "permissions.writeacl.users");
  private static final PropertyDescriptor OWNER = users("Owner", "owner");
  private static final PropertyDescriptor SSL_CONTEXT = new PropertyDescriptor.Builder().name("SSL Context Service")
      .identifiesControllerService(SSLContextProvider.class).build();
  private static final PropertyDescriptor SIGNER = choice("Signer Override", "Default Signature",
      Stream.of("Default Signature", "AWSS3V4SignerType", "S3SignerType", "CustomSignerType")).build();
  private static final PropertyDescriptor SIGNER_CLASS = text("custom-signer-class-name")
      .displayName("Custom Signer Class Name").dependsOn(SIGNER, "CustomSignerType").build();
  private static final PropertyDescriptor SIGNER_MODULES = text("custom-signer-module-location")
      .displayName("Custom Signer Module Location").dependsOn(SIGNER, "CustomSignerType").build();
  private static final PropertyDescriptor PROXY =
      text("proxy-configuration-service").displayName("Proxy Configuration Service").build();

  public static final List<PropertyDescriptor> AT_DEFAULT_ONLY = List.of(SOURCE, FILE_SERVICE, CONTENT_DISPOSITION,
      CACHE_CONTROL, TAGS_PREFIX, REMOVE_TAGS_PREFIX, EXPIRATION_RULE, FULL_CONTROL_USERS, READ_USERS, WRITE_USERS,
      READ_ACL_USERS, WRITE_ACL_USERS, OWNER, SSL_CONTEXT, SIGNER, SIGNER_CLASS, SIGNER_MODULES, PROXY);

  public static final List<PropertyDescriptor> ALL = Stream.concat(
      Stream.of(BUCKET, KEY, REGION, CREDENTIALS, STORAGE_CLASS, ENCRYPTION, ENCRYPTION_SERVICE, CONTENT_TYPE,
          CANNED_ACL, TIMEOUT, ENDPOINT, MULTIPART_THRESHOLD, MULTIPART_PART_SIZE, MULTIPART_AGEOFF_INTERVAL,
          MULTIPART_MAX_AGE, TEMPORARY_DIRECTORY, CHUNKED_ENCODING, PATH_STYLE),
      AT_DEFAULT_ONLY.stream()).toList();

  private S3Properties() {
  }

  /** Returns the user metadata entry that a property of any other name is. */
  public static PropertyDescriptor metadata(final String name) {
    return text(name).dynamic(true).build();
  }

  private static PropertyDescriptor.Builder text(final String name) {
    return new PropertyDescriptor.Builder().name(name).addValidator(Validators.NON_EMPTY)
        .expressionLanguageSupported(ExpressionLanguageScope.FLOWFILE_ATTRIBUTES);
  }

  private static PropertyDescriptor users(final String name, final String attribute) {
    return text(name).defaultValue("${s3." + attribute + "}").build();
  }

  private static PropertyDescriptor.Builder choice(final String name, final String value,
      final Stream<String> allowed) {
    return new PropertyDescriptor.Builder().name(name).allowableValues(allowed.toArray(String[]::new))
        .defaultValue(value).required(true);
  }

  private static PropertyDescriptor flag(final String name, final String displayName, final String value) {
    return new PropertyDescriptor.Builder().name(name).displayName(displayName).allowableValues("true", "false")
        .defaultValue(value).build();
  }

  private static PropertyDescriptor checked(final String name, final String value, final Validator validator) {
    return new PropertyDescriptor.Builder().name(name).defaultValue(value).required(true).addValidator(validator)
        .build();
  }
}
