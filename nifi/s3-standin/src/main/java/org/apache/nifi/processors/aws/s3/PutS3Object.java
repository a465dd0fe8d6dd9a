package org.apache.nifi.processors.aws.s3;

import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.model.CannedAccessControlList;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.StorageClass;
import csvpipe.s3standin.Failures;
import csvpipe.s3standin.ObjectWriter;
import csvpipe.s3standin.S3Clients;
import csvpipe.s3standin.S3Properties;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.io.InputStream;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.nifi.annotation.behavior.DynamicProperty;
import org.apache.nifi.annotation.behavior.InputRequirement;
import org.apache.nifi.annotation.behavior.SupportsBatching;
import org.apache.nifi.annotation.documentation.CapabilityDescription;
import org.apache.nifi.annotation.documentation.Tags;
import org.apache.nifi.annotation.lifecycle.OnScheduled;
import org.apache.nifi.annotation.lifecycle.OnStopped;
import org.apache.nifi.components.PropertyDescriptor;
import org.apache.nifi.components.ValidationContext;
import org.apache.nifi.components.ValidationResult;
import org.apache.nifi.expression.ExpressionLanguageScope;
import org.apache.nifi.flowfile.FlowFile;
import org.apache.nifi.processor.AbstractProcessor;
import org.apache.nifi.processor.DataUnit;
import org.apache.nifi.processor.ProcessContext;
import org.apache.nifi.processor.ProcessSession;
import org.apache.nifi.processor.Relationship;

/** Writes a FlowFile's content as an S3 object. See {@code nifi/README.md} for what it shares with Apache's. */
@Tags({"Amazon", "S3", "AWS", "Put", "stand-in"})
@CapabilityDescription("STAND-IN of csvpipe for Apache NiFi's PutS3Object, for machines where nifi-aws-nar cannot be "
    + "had: the same names and the same behaviour as far as the flow csv-ingestion-raw-to-minio uses them.")
@DynamicProperty(name = "The name of a user metadata entry", value = "Its value",
    description = "Added to the object's user metadata",
    expressionLanguageScope = ExpressionLanguageScope.FLOWFILE_ATTRIBUTES)
@InputRequirement(InputRequirement.Requirement.INPUT_REQUIRED)
@SupportsBatching
public class PutS3Object extends AbstractProcessor {

  static final Relationship SUCCESS = new Relationship.Builder().name("success")
      .description("The object is written.").build();
  static final Relationship FAILURE = new Relationship.Builder().name("failure")
      .description("It is not; the FlowFile is penalized.").build();

  private volatile AmazonS3 s3;

  @Override
  public Set<Relationship> getRelationships() {
    return Set.of(SUCCESS, FAILURE);
  }

  @Override
  protected List<PropertyDescriptor> getSupportedPropertyDescriptors() {
    return S3Properties.ALL;
  }

  @Override
  protected PropertyDescriptor getSupportedDynamicPropertyDescriptor(final String name) {
    return S3Properties.metadata(name);
  }

  @Override
  protected Collection<ValidationResult> customValidate(final ValidationContext context) {
    final Stream<PropertyDescriptor> changed = S3Properties.AT_DEFAULT_ONLY.stream().filter(
        property -> !Objects.equals(context.getProperty(property).getValue(), property.getDefaultValue()));
    final Stream<PropertyDescriptor> region = Stream.of(S3Properties.REGION).filter(
        property -> "attribute-defined-region".equals(context.getProperty(property).getValue()));
    return Stream.concat(changed, region)
        .map(property -> new ValidationResult.Builder().subject(property.getName()).valid(false)
            .input(context.getProperty(property).getValue())
            .explanation("csvpipe's stand-in for nifi-aws-nar does not support it").build())
        .toList();
  }

  @OnScheduled
  public void openClient(final ProcessContext context) {
    s3 = S3Clients.of(context);
  }

  @OnStopped
  public void closeClient() {
    if (s3 != null) {
      s3.shutdown();
      s3 = null;
    }
  }

  @Override
  public void onTrigger(final ProcessContext context, final ProcessSession session) {
    FlowFile flowFile = session.get();
    if (flowFile == null) {
      return;
    }
    final long started = System.nanoTime();
    try {
      final Map<String, String> attributes = write(context, session, flowFile);
      flowFile = session.putAllAttributes(flowFile, attributes);
      session.transfer(flowFile, SUCCESS);
      session.getProvenanceReporter().send(flowFile, attributes.get("s3.url"),
          TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - started));
    } catch (final RuntimeException | IOException failure) {
      getLogger().error("Failed to put {} to S3: {}", flowFile, failure.getMessage(), failure);
      flowFile = session.putAllAttributes(flowFile, Failures.attributesOf(failure));
      session.transfer(session.penalize(flowFile), FAILURE);
    }
  }

  private Map<String, String> write(final ProcessContext context, final ProcessSession session,
      final FlowFile flowFile) throws IOException {
    final ObjectWriter writer = new ObjectWriter(s3,
        valueOf(context, S3Properties.BUCKET, flowFile), valueOf(context, S3Properties.KEY, flowFile),
        metadataOf(context, flowFile), StorageClass.valueOf(context.getProperty(S3Properties.STORAGE_CLASS).getValue()),
        aclOf(valueOf(context, S3Properties.CANNED_ACL, flowFile)), encryptionOf(context));
    final long threshold = bytesOf(context, S3Properties.MULTIPART_THRESHOLD);
    try (InputStream content = session.read(flowFile)) {
      return flowFile.getSize() <= threshold
          ? writer.put(content)
          : writer.putInParts(content, bytesOf(context, S3Properties.MULTIPART_PART_SIZE));
    }
  }

  private static ObjectMetadata metadataOf(final ProcessContext context, final FlowFile flowFile) {
    final ObjectMetadata metadata = new ObjectMetadata();
    metadata.setContentLength(flowFile.getSize());
    metadata.setContentDisposition(URLEncoder.encode(flowFile.getAttribute("filename"), StandardCharsets.UTF_8));
    final String contentType = valueOf(context, S3Properties.CONTENT_TYPE, flowFile);
    if (contentType != null && !contentType.isBlank()) {
      metadata.setContentType(contentType);
    }
    if (isEncryptedByProperty(context)) {
      metadata.setSSEAlgorithm(ObjectMetadata.AES_256_SERVER_SIDE_ENCRYPTION);
    }
    context.getProperties().keySet().stream().filter(PropertyDescriptor::isDynamic).forEach(property ->
        metadata.addUserMetadata(property.getName(), valueOf(context, property, flowFile)));
    return metadata;
  }

  /** Returns the encryption service. As with Apache's, "Server Side Encryption" takes precedence over it. */
  private static Optional<AmazonS3EncryptionService> encryptionOf(final ProcessContext context) {
    return isEncryptedByProperty(context) ? Optional.empty() : Optional.ofNullable(
        context.getProperty(S3Properties.ENCRYPTION_SERVICE).asControllerService(AmazonS3EncryptionService.class));
  }

  private static boolean isEncryptedByProperty(final ProcessContext context) {
    return "AES256".equals(context.getProperty(S3Properties.ENCRYPTION).getValue());
  }

  private static String valueOf(final ProcessContext context, final PropertyDescriptor property,
      final FlowFile flowFile) {
    return context.getProperty(property).evaluateAttributeExpressions(flowFile).getValue();
  }

  private static long bytesOf(final ProcessContext context, final PropertyDescriptor property) {
    return context.getProperty(property).asDataSize(DataUnit.B).longValue();
  }

  private static CannedAccessControlList aclOf(final String name) {
    return name == null || name.isBlank() ? null : CannedAccessControlList.valueOf(name);
  }
}
