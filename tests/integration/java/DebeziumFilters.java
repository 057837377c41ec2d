import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.relational.ColumnFilterMode;
import io.debezium.relational.Selectors;
import io.debezium.relational.TableId;
import io.debezium.relational.Tables.ColumnNameFilter;
import io.debezium.relational.Tables.ColumnNameFilterFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** What Debezium's own filters let through: the columns and the tables, as JSON. */
class DebeziumFilters {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper json = new ObjectMapper();
        JsonNode asked = json.readTree(System.in);
        ColumnNameFilter columns = ColumnNameFilterFactory.createExcludeListFilter(
                asked.get("column.exclude.list").asText(), ColumnFilterMode.SCHEMA);
        Predicate<TableId> tables = Selectors.tableSelector()
                .includeTables(asked.get("table.include.list").asText(), id -> id.schema() + "." + id.table())
                .build();
        List<List<String>> let = new ArrayList<>();
        for (JsonNode place : asked.get("places")) {
            String database = place.get(0).asText(), schema = place.get(1).asText(), table = place.get(2).asText();
            String column = place.get(3).asText();
            if (tables.test(new TableId(database, schema, table)) && columns.matches(database, schema, table, column)) {
                let.add(List.of(database, schema, table, column));
            }
        }
        System.out.print(json.writeValueAsString(let));
    }
}
