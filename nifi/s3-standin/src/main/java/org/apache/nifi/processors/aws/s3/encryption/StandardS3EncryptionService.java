package org.apache.nifi.processors.aws.s3.encryption;

import com.amazonaws.regions.Regions;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3Builder;
import com.amazonaws.services.s3.model.GetObjectRequest;
import com.amazonaws.services.s3.model.InitiateMultipartUploadRequest;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.PutObjectRequest;
import com.amazonaws.services.s3.model.UploadPartRequest;
import csvpipe.s3standin.EncryptionKeys;
import csvpipe.s3standin.EncryptionStrategy;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.nifi.annotation.documentation.CapabilityDescription;
import org.apache.nifi.annotation.documentation.Tags;
import org.apache.nifi.annotation.lifecycle.OnEnabled;
import org.apache.nifi.components.AllowableValue;
import org.apache.nifi.components.PropertyDescriptor;
import org.apache.nifi.components.ValidationContext;
import org.apache.nifi.components.ValidationResult;
import org.apache.nifi.components.Validator;
import org.apache.nifi.controller.AbstractControllerService;
import org.apache.nifi.controller.ConfigurationContext;
import org.apache.nifi.expression.ExpressionLanguageScope;
import org.apache.nifi.processors.aws.s3.AmazonS3EncryptionService;

/** Server-side encryption of the objects that PutS3Object writes. */
@Tags({"service", "aws", "s3", "encryption", "stand-in"})
@CapabilityDescription("STAND-IN of csvpipe for Apache NiFi's StandardS3EncryptionService: SSE-S3, SSE-KMS and SSE-C. "
    + "No client-side encryption.")
public class StandardS3EncryptionService extends AbstractControllerService implements AmazonS3EncryptionService {

  static final PropertyDescriptor STRATEGY = new PropertyDescriptor.Builder()
      .name("encryption-strategy").displayName("Encryption Strategy")
      .description("Who encrypts the objects, and with which key.")
      .allowableValues(EncryptionStrategy.allowableValues()).defaultValue(STRATEGY_NAME_NONE).required(true).build();
  static final PropertyDescriptor KEY = new PropertyDescriptor.Builder()
      .name("key-id-or-key-material").displayName("Key ID or Key Material")
      .description("The id of the key for SSE-KMS; the AES-256 key in Base64 for SSE-C.")
      .sensitive(true).required(false).addValidator(Validator.VALID)
      .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).build();
  // Of no effect here: only client-side encryption uses it.
  private static final PropertyDescriptor KMS_REGION = new PropertyDescriptor.Builder()
      .name("kms-region").displayName("KMS Region").description("The region of the KMS for client-side encryption.")
      .allowableValues(Arrays.stream(Regions.values())
          .map(region -> new AllowableValue(region.getName(), region.getDescription()))
          .toArray(AllowableValue[]::new))
      .defaultValue(Regions.DEFAULT_REGION.getName()).required(false).build();

  private volatile EncryptionStrategy strategy = EncryptionStrategy.NONE;
  private volatile String key;
  private volatile String kmsRegion;

  @Override
  protected List<PropertyDescriptor> getSupportedPropertyDescriptors() {
    return List.of(STRATEGY, KEY, KMS_REGION);
  }

  @Override
  protected Collection<ValidationResult> customValidate(final ValidationContext context) {
    final EncryptionStrategy chosen = EncryptionStrategy.valueOf(context.getProperty(STRATEGY).getValue());
    final String given = context.getProperty(KEY).evaluateAttributeExpressions().getValue();
    final Optional<ValidationResult> unsupported = chosen.isSupported() ? Optional.empty()
        : Optional.of(new ValidationResult.Builder().subject(STRATEGY.getDisplayName()).valid(false)
            .input(chosen.name()).explanation("csvpipe's stand-in for nifi-aws-nar does not support it").build());
    final Optional<ValidationResult> wrongKey = EncryptionKeys.faultOf(chosen, given)
        .map(fault -> new ValidationResult.Builder().subject(KEY.getDisplayName()).valid(false)
            .explanation(fault).build());
    return Stream.of(unsupported, wrongKey).flatMap(Optional::stream).toList();
  }

  @OnEnabled
  public void choose(final ConfigurationContext context) {
    strategy = EncryptionStrategy.valueOf(context.getProperty(STRATEGY).getValue());
    key = context.getProperty(KEY).evaluateAttributeExpressions().getValue();
    kmsRegion = context.getProperty(KMS_REGION).getValue();
  }

  @Override
  public void configurePutObjectRequest(final PutObjectRequest request, final ObjectMetadata metadata) {
    switch (strategy) {
      case SSE_S3 -> metadata.setSSEAlgorithm(ObjectMetadata.AES_256_SERVER_SIDE_ENCRYPTION);
      case SSE_KMS -> request.setSSEAwsKeyManagementParams(EncryptionKeys.ofKms(key));
      case SSE_C -> request.setSSECustomerKey(EncryptionKeys.ofCustomer(key));
      default -> { }
    }
  }

  @Override
  public void configureInitiateMultipartUploadRequest(final InitiateMultipartUploadRequest request,
      final ObjectMetadata metadata) {
    switch (strategy) {
      case SSE_S3 -> metadata.setSSEAlgorithm(ObjectMetadata.AES_256_SERVER_SIDE_ENCRYPTION);
      case SSE_KMS -> request.setSSEAwsKeyManagementParams(EncryptionKeys.ofKms(key));
      case SSE_C -> request.setSSECustomerKey(EncryptionKeys.ofCustomer(key));
      default -> { }
    }
  }

  @Override
  public void configureUploadPartRequest(final UploadPartRequest request, final ObjectMetadata metadata) {
    if (strategy == EncryptionStrategy.SSE_C) {
      request.setSSECustomerKey(EncryptionKeys.ofCustomer(key));
    }
  }

  @Override
  public void configureGetObjectRequest(final GetObjectRequest request, final ObjectMetadata metadata) {
    if (strategy == EncryptionStrategy.SSE_C) {
      request.setSSECustomerKey(EncryptionKeys.ofCustomer(key));
    }
  }

  /** Returns null, as Apache's does for each strategy but client-side encryption: an ordinary client will do. */
  @Override
  public AmazonS3 createEncryptionClient(final Consumer<AmazonS3Builder<?, ?>> clientBuilder) {
    return null;
  }

  @Override
  public String getKmsRegion() {
    return kmsRegion;
  }

  @Override
  public String getStrategyName() {
    return strategy.name();
  }

  @Override
  public String getStrategyDisplayName() {
    return strategy.displayName();
  }
}
