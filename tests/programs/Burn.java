/** Burn SECONDS: as burn.c. */
class Burn {
    static volatile int sink;

    static int spin(int n) {
        int v = n;
        for (; n != 0; n--) v = v * 1664525 + n;
        return v;
    }

    static void inner(int n) {
        sink += spin(n);
    }

    static void alpha(int n) {
        inner(n);
        sink++;
    }

    static void beta(int n) {
        sink += spin(n);
    }

    static long cpuNs() {
        return ProcessHandle.current().info().totalCpuDuration().orElseThrow().toNanos();
    }

    public static void main(String[] words) {
        long end = (long) (Double.parseDouble(words[0]) * 1e9);
        int r = 1;
        while (cpuNs() < end) {
            r = r * 1103515245 + 12345;
            int part = 40000 + (r >>> 8) % 160000;
            alpha(7 * part);
            beta(3 * part);
        }
        System.out.println("pid " + ProcessHandle.current().pid() + "\ncpu " + cpuNs());
    }
}
