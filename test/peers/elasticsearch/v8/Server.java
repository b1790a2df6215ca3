import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;

/** Runs one Elasticsearch 8 node: Server HOME DATA HTTP-PORT TRANSPORT-PORT. */
public final class Server {
    public static void main(String[] args) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", args[0]).put("path.data", args[1] + "/data").put("path.logs", args[1] + "/logs")
            .put("cluster.name", "lubberline-test").put("node.name", "peer").put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1").put("http.port", args[2]).put("transport.port", args[3])
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Environment environment = new Environment(settings, Path.of(args[0], "config"));
        LogConfigurator.registerErrorListener();
        LogConfigurator.setNodeName("peer");
        LogConfigurator.configure(environment, true);
        Node node = new Node(environment);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        node.start();
        new CountDownLatch(1).await(); // its own threads do not keep the program alive
    }

    private static void close(Node node) {
        try {
            node.close();
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
