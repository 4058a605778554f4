from bench.simulator.server import main

main()
