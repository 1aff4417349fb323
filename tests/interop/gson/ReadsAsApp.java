// Reads on standard input one JSON value: an array of texts. Each is read as the SMSGate app reads the answer of GET /message (its Gson
// date pattern, the fields of its Message); printed is one JSON array with what was understood of each, or with the exception.
// With the argument "dates" each text is one date instead, and what is printed is its milliseconds.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.reflect.TypeToken;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.List;

public class ReadsAsApp {
    enum State { Pending, Cancelling, Cancelled, Processed, Sent, Delivered, Failed }

    static class TextMessage { String text; }

    static class DataMessage { String data; int port; }

    static class Message {
        String id;
        String message;
        TextMessage textMessage;
        DataMessage dataMessage;
        List<String> phoneNumbers;
        Integer simNumber;
        Boolean withDeliveryReport;
        Boolean isEncrypted;
        Date validUntil;
        Date scheduleAt;
        Byte priority;
        State state;
        Date createdAt;
    }

    static final Gson APP = new GsonBuilder().setDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSSXXX").create();
    static final Gson PLAIN = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    static Long millis(Date date) {
        return date == null ? null : date.getTime();
    }

    static JsonElement date(String text) {
        return new JsonPrimitive(APP.fromJson(new JsonPrimitive(text), Date.class).getTime());
    }

    static JsonElement list(String text) {
        List<Message> read = APP.fromJson(text, new TypeToken<List<Message>>() {}.getType());
        JsonArray found = new JsonArray();
        for (Message message : read) {
            JsonObject told = (JsonObject) PLAIN.toJsonTree(message);
            told.add("validUntil", PLAIN.toJsonTree(millis(message.validUntil)));
            told.add("scheduleAt", PLAIN.toJsonTree(millis(message.scheduleAt)));
            told.add("createdAt", PLAIN.toJsonTree(millis(message.createdAt)));
            found.add(told);
        }
        return found;
    }

    public static void main(String[] arguments) {
        boolean isDates = arguments.length > 0 && arguments[0].equals("dates");
        JsonArray told = new JsonArray();
        for (JsonElement each : JsonParser.parseReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).getAsJsonArray()) {
            try {
                told.add(isDates ? date(each.getAsString()) : list(each.getAsString()));
            } catch (RuntimeException thrown) {
                JsonObject failure = new JsonObject();
                failure.addProperty("exception", thrown.toString());
                told.add(failure);
            }
        }
        new PrintStream(System.out, true, StandardCharsets.UTF_8).println(PLAIN.toJson(told));
    }
}
