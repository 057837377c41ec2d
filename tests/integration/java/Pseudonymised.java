import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.relational.Column;
import io.debezium.relational.TableId;
import io.debezium.relational.mapping.ColumnMappers;
import io.debezium.relational.mapping.PropagateSourceMetadataToSchemaParameter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import retail.lakehouse.Pseudonyms;

/** What the transform makes of records that it is asked about, and Debezium's own mask of texts, as JSON. */
class Pseudonymised {
    static final ObjectMapper JSON = new ObjectMapper();
    static final TableId TABLE = new TableId("retail", "dbo", "Customers");
    static final Schema SOURCE = SchemaBuilder.struct().name("source").field("table", Schema.STRING_SCHEMA).build();

    public static void main(String[] arguments) throws Exception {
        JsonNode asked = JSON.readTree(System.in);
        Map<String, Object> answer = new LinkedHashMap<>();
        try (Pseudonyms<SourceRecord> transform = new Pseudonyms<>()) {
            Map<String, String> settings = new LinkedHashMap<>();
            asked.get("settings").fields().forEachRemaining(entry -> settings.put(entry.getKey(), entry.getValue().asText()));
            transform.configure(settings);
            List<Object> texts = new ArrayList<>();
            for (JsonNode text : asked.path("texts")) {
                texts.add(both(transform, text, settings.get("salt.secret")));
            }
            answer.put("texts", texts);
            Map<String, Object> records = new LinkedHashMap<>();
            for (JsonNode kind : asked.path("records")) {
                records.put(kind.asText(), of(transform, kind.asText()));
            }
            answer.put("records", records);
        } catch (RuntimeException error) {
            answer.put("refused", error.getMessage());
        }
        System.out.print(JSON.writeValueAsString(answer));
    }

    /** One value of a text column of SQL Server, by Debezium's mask and by the transform. */
    static List<Object> both(Pseudonyms<SourceRecord> transform, JsonNode text, String salt) {
        Column column = Column.editor()
                .name("Phone")
                .type(text.get("type").asText())
                .jdbcType(text.get("jdbc").asInt())
                .length(text.get("length").asInt())
                .create();
        Object masked = new ColumnMappers.Builder(null)
                .maskStringsByHashingV2("retail\\.dbo\\.Customers\\.Phone", "SHA-256", salt)
                .build()
                .mappingConverterFor(TABLE, column)
                .convert(text.get("value").asText());
        SchemaBuilder field = SchemaBuilder.string().optional();
        new PropagateSourceMetadataToSchemaParameter().alterFieldSchema(column, field);
        SourceRecord record = change("customers", "Phone", field.build(), text.get("value").asText());
        return List.of(masked, ((Struct) transform.apply(record).value()).getStruct("after").get("Phone"));
    }

    static SourceRecord change(String topic, String name, Schema type, Object value) {
        Schema row = SchemaBuilder.struct().name("Value").optional()
                .field("Id", Schema.INT32_SCHEMA).field(name, type).build();
        Schema envelope = SchemaBuilder.struct().name("retail.dbo.Customers.Envelope").version(2)
                .field("before", row).field("after", row).field("source", SOURCE).field("op", Schema.STRING_SCHEMA).build();
        Struct image = new Struct(row).put("Id", 1).put(name, value);
        Schema keys = SchemaBuilder.struct().name("Key").field(name, type).build();
        Struct event = new Struct(envelope).put("after", image).put("op", "c")
                .put("source", new Struct(SOURCE).put("table", "Customers"));
        return new SourceRecord(
                Map.of(), Map.of("at", 7), topic, 3, keys, new Struct(keys).put(name, value), envelope, event, 5L);
    }

    /** One record through the transform: unchanged, its key and its image, or the error. */
    static Object of(Pseudonyms<SourceRecord> transform, String kind) {
        Schema text = Schema.OPTIONAL_STRING_SCHEMA;
        Schema byDefault = SchemaBuilder.string().optional().defaultValue("secret").build();
        SourceRecord record = change("customers", "Phone", text, "+49");
        Schema other = SchemaBuilder.struct().name("io.debezium.connector.common.Heartbeat")
                .field("ts_ms", Schema.INT64_SCHEMA).build();
        record = switch (kind) {
            case "change" -> record;
            case "null" -> change("customers", "Phone", byDefault, null);
            case "unavailable" -> change("customers", "Phone", text, "__debezium_unavailable_value");
            case "tombstone" -> record.newRecord("customers", 3, record.keySchema(), record.key(), null, null, 5L);
            case "other case" -> change("customers", "phone", text, "+49");
            case "nothing hashed" -> change("stores", "City", text, "Bonn");
            case "unknown topic" -> change("Customers", "Phone", text, "+49");
            case "heartbeat" -> record.newRecord(
                    "heartbeat", 0, null, null, other, new Struct(other).put("ts_ms", 1L), 5L);
            case "excluded in the key" -> {
                SourceRecord row = change("stores", "City", text, "Bonn");
                Schema keys = SchemaBuilder.struct().name("Key").field("Mail", text).build();
                yield row.newRecord(
                        "stores", 3, keys, new Struct(keys).put("Mail", "+49"), row.valueSchema(), row.value(), 5L);
            }
            case "stranger" -> record.newRecord("customers", 0, null, null, null, "+49", 5L);
            default -> throw new IllegalArgumentException(kind);
        };
        try {
            SourceRecord after = transform.apply(record);
            if (after == record) {
                return "unchanged";
            }
            Struct event = (Struct) after.value();
            String key = ((Struct) after.key()).getString("Phone");
            if (event == null) {
                return List.of(key, "tombstone");
            }
            event.validate();
            Object kept = List.of(
                    event.schema().version(), event.getString("op"), event.getStruct("source").getString("table"),
                    after.kafkaPartition(), after.timestamp(), after.sourceOffset().get("at"));
            String image = event.getStruct("after").getString("Phone");
            return List.of(String.valueOf(key), String.valueOf(image), String.valueOf(event.get("before")), kept);
        } catch (RuntimeException error) {
            return error.getMessage();
        }
    }
}
