package retail.lakehouse;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Replaces declared columns of Debezium's change events by a salted SHA-256, in before, after and the key.
 *
 * <p>For text the pseudonym is, byte for byte, what Debezium's own <code>column.mask.hash.v2</code> makes of it
 * (io.debezium.relational.mapping.MaskStrings): lower-case hex of SHA-256 over the salt and the value in UTF-8, cut to
 * the length of a shorter column. That mask takes the salt in a setting's name and passes by what JDBC does not call
 * text, a PostgreSQL uuid for one. This one takes any type, as the text that the JSON event would have carried.
 *
 * <p>Null stays null. It fails closed: an event without a column that it has to replace, or of a topic that it was not
 * told of, stops the connector. What is no change event passes unchanged: heartbeats, transactions, schema changes.
 */
public final class Pseudonyms<R extends ConnectRecord<R>> implements Transformation<R> {
    /**
     * Column names by topic, as JSON; a topic without such columns has an empty list. One that was renamed is a list of
     * its names: an event has one of them, and each that it has is replaced.
     */
    private static final String COLUMNS = "columns";

    /** Debezium prints its settings when it starts, and masks those whose name ends so. */
    private static final String SALT = "salt.secret";

    /** Characters of a salt: 128 bits, where each is one of 64. */
    private static final int SALT_LENGTH = 22;

    private static final ConfigDef SETTINGS = new ConfigDef()
            .define(
                    COLUMNS,
                    Type.STRING,
                    ConfigDef.NO_DEFAULT_VALUE,
                    (name, value) -> columns(value),
                    Importance.HIGH,
                    "The columns to replace, by topic, as JSON: {\"topic\": [\"column\", [\"new name\", \"old name\"]]}.")
            .define(
                    SALT,
                    Type.PASSWORD,
                    ConfigDef.NO_DEFAULT_VALUE,
                    Pseudonyms::checkSalt,
                    Importance.HIGH,
                    "The salt, by reference to a configuration provider.");

    /** io.debezium.relational.mapping.PropagateSourceMetadataToSchemaParameter. */
    private static final String SOURCE_TYPE = "__debezium.source.column.type";

    private static final String SOURCE_LENGTH = "__debezium.source.column.length";

    private static final String SOURCE_SCALE = "__debezium.source.column.scale";

    /** Numbers that come as text: their length are digits. A domain has a name of its own. */
    private static final List<String> NUMBERS = List.of("NUMERIC", "DECIMAL", "MONEY", "SMALLMONEY");

    /** Debezium's word for a large value that PostgreSQL has not sent; the log looks for it. */
    private static final String UNAVAILABLE = "__debezium_unavailable_value";

    /** How it looks in columns that are no text (io.debezium.connector.postgresql.UnchangedToastedPlaceholder). */
    private static final Set<String> UNAVAILABLE_FORMS = unavailableForms();

    private static final int CACHED_SCHEMAS = 1000;

    private final JsonConverter json = new JsonConverter();
    private final Map<Schema, Schema> envelopes = new IdentityHashMap<>();
    private final Map<Schema, Schema> rows = new IdentityHashMap<>();
    private Map<String, List<List<String>>> columns;
    private byte[] salt;
    private MessageDigest sha256;

    @Override
    public void configure(Map<String, ?> settings) {
        Map<String, Object> parsed = SETTINGS.parse(settings);
        columns = columns(parsed.get(COLUMNS));
        salt = ((Password) parsed.get(SALT)).value().getBytes(UTF_8);
        json.configure(Map.of("schemas.enable", "false", "replace.null.with.default", "false"), false);
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new ConfigException("this Java has no SHA-256");
        }
    }

    @Override
    public ConfigDef config() {
        return SETTINGS;
    }

    @Override
    public void close() {
        json.close();
    }

    @Override
    public R apply(R record) {
        List<List<String>> names = columns.get(record.topic());
        if (names == null && isChange(record.valueSchema())) {
            throw new DataException("a change event for " + record.topic() + ", a topic that the setting " + COLUMNS
                    + " does not name: whether it holds personal data is not declared. Declare the table's topic"
                    + " in the spelling of the source and give the connector its new settings.");
        }
        if (isChange(record.valueSchema()) && record.key() instanceof Struct row) {
            requireKeyInRow(record.topic(), row.schema(), record.valueSchema());
        }
        if (names == null || names.isEmpty()) {
            return record;
        }
        Object key = record.key() instanceof Struct row ? replaced(row, names) : record.key();
        Object value = record.value() == null ? null : replacedImages(record, names);
        return record.newRecord(
                record.topic(),
                record.kafkaPartition(),
                key instanceof Struct row ? row.schema() : record.keySchema(),
                key,
                value instanceof Struct event ? event.schema() : record.valueSchema(),
                value,
                record.timestamp());
    }

    private Struct replacedImages(R record, List<List<String>> names) {
        if (!(record.value() instanceof Struct event) || !isChange(event.schema())) {
            throw new DataException("no change event of Debezium on " + record.topic()
                    + ": its columns to replace cannot be found. Nothing else may write there.");
        }
        Schema schema = cached(envelopes, event.schema(), field -> {
            if (!isImage(field)) {
                return field.schema();
            }
            requireAll(record.topic(), field.schema(), names);
            return rowSchema(field.schema(), names);
        });
        Struct replaced = new Struct(schema);
        for (Field field : event.schema().fields()) {
            Object value = event.getWithoutDefault(field.name());
            replaced.put(field.name(), isImage(field) && value != null ? replaced((Struct) value, names) : value);
        }
        return replaced;
    }

    private Struct replaced(Struct row, List<List<String>> names) {
        Struct replaced = new Struct(rowSchema(row.schema(), names));
        for (Field field : row.schema().fields()) {
            Object value = row.getWithoutDefault(field.name());
            replaced.put(field.name(), isNamed(names, field) ? pseudonym(field.schema(), value) : value);
        }
        return replaced;
    }

    private Schema rowSchema(Schema schema, List<List<String>> names) {
        return cached(
                rows,
                schema,
                field -> isNamed(names, field) ? Schema.OPTIONAL_STRING_SCHEMA : field.schema());
    }

    private String pseudonym(Schema schema, Object value) {
        if (value == null) {
            return null;
        }
        String text = text(schema, value);
        if (UNAVAILABLE_FORMS.contains(text)) {
            return UNAVAILABLE;
        }
        sha256.update(salt);
        String hash = HexFormat.of().formatHex(sha256.digest(text.getBytes(UTF_8)));
        int length = textLength(schema);
        return length > 0 && length < hash.length() ? hash.substring(0, length) : hash;
    }

    /** The length of what JDBC calls text, to which Debezium cuts hashes; 0 where there is none. */
    private static int textLength(Schema schema) {
        Map<String, String> source = schema.parameters();
        if (schema.type() != Schema.Type.STRING || schema.name() != null || source == null) {
            return 0;
        }
        String type = source.getOrDefault(SOURCE_TYPE, "");
        boolean isNumber = NUMBERS.stream().anyMatch(type::startsWith)
                || !source.getOrDefault(SOURCE_SCALE, "0").equals("0");
        return isNumber ? 0 : Integer.parseInt(source.getOrDefault(SOURCE_LENGTH, "0"));
    }

    /** What JSON would have carried: text without its quotes, base64 of bytes, anything else as written there. */
    private String text(Schema schema, Object value) {
        if (value instanceof String text) {
            return text;
        }
        String written = new String(json.fromConnectData("", schema, value), UTF_8);
        return written.startsWith("\"") ? written.substring(1, written.length() - 1) : written;
    }

    private static void requireAll(String topic, Schema row, List<List<String>> names) {
        for (List<String> column : names) {
            if (column.stream().allMatch(name -> row.field(name) == null)) {
                throw new DataException("an event for " + topic + " has no column " + String.join(" or ", column)
                        + ", which is declared pii: hash; what stands in its place could leave in clear. Correct"
                        + " source_columns (upper and lower case count), or take the declaration back, and give"
                        + " the connector its new settings.");
            }
        }
    }

    /** Debezium takes excluded columns out of the row only: in the source's own key they would stay. */
    private static void requireKeyInRow(String topic, Schema key, Schema event) {
        for (Field column : key.fields()) {
            for (Field image : event.fields()) {
                if (isImage(image) && image.schema().field(column.name()) == null) {
                    throw new DataException("the key of the events for " + topic + " has the column " + column.name()
                            + ", which the row has not: it is declared pii: exclude and would leave in the key, in"
                            + " clear. Declare it pii: hash, or give the table a key without it.");
                }
            }
        }
    }

    private static boolean isNamed(List<List<String>> names, Field field) {
        return names.stream().anyMatch(column -> column.contains(field.name()));
    }

    private static boolean isChange(Schema schema) {
        return schema != null && schema.name() != null && schema.name().endsWith(".Envelope");
    }

    private static boolean isImage(Field field) {
        return field.name().equals("before") || field.name().equals("after");
    }

    private static Schema cached(Map<Schema, Schema> cache, Schema schema, Function<Field, Schema> changed) {
        Schema known = cache.get(schema);
        if (known != null) {
            return known;
        }
        SchemaBuilder builder = SchemaBuilder.struct().name(schema.name()).version(schema.version()).doc(schema.doc());
        if (schema.parameters() != null) {
            builder.parameters(schema.parameters());
        }
        if (schema.isOptional()) {
            builder.optional();
        }
        schema.fields().forEach(field -> builder.field(field.name(), changed.apply(field)));
        // Debezium keeps one schema per table until the table changes.
        if (cache.size() >= CACHED_SCHEMAS) {
            cache.clear();
        }
        cache.put(schema, builder.build());
        return cache.get(schema);
    }

    private static Map<String, List<List<String>>> columns(Object value) {
        try (JsonConverter reader = new JsonConverter()) {
            reader.configure(Map.of("schemas.enable", "false"), false);
            Object read = reader.toConnectData("", String.valueOf(value).getBytes(UTF_8)).value();
            if (read instanceof Map<?, ?> topics && topics.values().stream().allMatch(List.class::isInstance)) {
                Map<String, List<List<String>>> columns = new HashMap<>();
                topics.forEach((topic, each) -> columns.put(
                        (String) topic, ((List<?>) each).stream().map(Pseudonyms::names).toList()));
                return columns;
            }
        } catch (DataException error) {
            // Said below.
        }
        throw new ConfigException(COLUMNS, value, "it must be JSON: {\"topic\": [\"column\"]}");
    }

    /** The names of one column. */
    private static List<String> names(Object value) {
        List<?> names = value instanceof List<?> several ? several : List.of(value);
        if (names.isEmpty() || !names.stream().allMatch(String.class::isInstance)) {
            throw new DataException("no names of a column");
        }
        return names.stream().map(String.class::cast).toList();
    }

    /** The value never is in the message: a Password shows itself as [hidden]. */
    private static void checkSalt(String name, Object value) {
        String text = value == null ? "" : ((Password) value).value();
        if (text.startsWith("${")) {
            throw new ConfigException(name, value, "the worker's configuration provider has not replaced the reference");
        }
        if (text.length() < SALT_LENGTH) {
            throw new ConfigException(name, value, "a salt has at least " + SALT_LENGTH + " characters");
        }
    }

    private static Set<String> unavailableForms() {
        byte[] bytes = UNAVAILABLE.getBytes(UTF_8);
        String base64 = Base64.getEncoder().encodeToString(bytes);
        return Set.of(
                UNAVAILABLE,
                base64,
                "[\"" + UNAVAILABLE + "\"]",
                "[\"" + base64 + "\"]",
                "[\"" + UUID.nameUUIDFromBytes(bytes) + "\"]",
                "{\"" + UNAVAILABLE + "\":\"" + UNAVAILABLE + "\"}",
                Arrays.toString(bytes).replace(" ", ""));
    }
}
