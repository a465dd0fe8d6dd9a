package csvpipe.s3standin;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.apache.nifi.components.ValidationContext;
import org.apache.nifi.components.ValidationResult;
import org.apache.nifi.components.Validator;
import org.apache.nifi.processor.DataUnit;

/** The checks that Apache's processor makes of its properties. */
final class Validators {

  private static final long MIN_PART_BYTES = 50L * 1024 * 1024;
  private static final long MAX_PART_BYTES = 5L * 1024 * 1024 * 1024;

  static final Validator NON_EMPTY = of("must not be empty", (input, context) -> !input.isEmpty());

  static final Validator ENDPOINT = of("must be a URL with a scheme, such as http://minio:9000",
      (input, context) -> URI.create(evaluated(input, context)).toURL() != null);

  static final Validator PERIOD = of("must be a duration, such as 30 secs",
      (input, context) -> context.newPropertyValue(input).asTimePeriod(TimeUnit.NANOSECONDS) >= 0);

  static final Validator PART_SIZE = of("must be a size from 50 MB to 5 GB", (input, context) -> {
    final double bytes = DataUnit.parseDataSize(input, DataUnit.B);
    return bytes >= MIN_PART_BYTES && bytes <= MAX_PART_BYTES;
  });

  static final Validator FILE_EXISTS = of("must be a path that exists",
      (input, context) -> Files.exists(Path.of(evaluated(input, context))));

  private Validators() {
  }

  private static Validator of(final String rule, final Check check) {
    return (subject, input, context) -> new ValidationResult.Builder().subject(subject).input(input)
        .valid(passes(check, input, context)).explanation("it " + rule).build();
  }

  private static boolean passes(final Check check, final String input, final ValidationContext context) {
    try {
      return input != null && check.passes(input, context);
    } catch (final Exception malformed) {
      return false;
    }
  }

  private static String evaluated(final String input, final ValidationContext context) {
    return context.newPropertyValue(input).evaluateAttributeExpressions().getValue();
  }

  /** Returns whether the value is right; it may also throw for one that is not. */
  private interface Check {
    boolean passes(String input, ValidationContext context) throws Exception;
  }
}
