import { startGraph } from "./bench/langgraph-growth/graph.ts";
import { sqliteStorage } from "./dist/backends/sqlite/index.js";
import { memoryStorage } from "./dist/backends/memory/index.js";
import { WaystoneSaver } from "./dist/adapters/langgraph/index.js";
import { rmSync } from "node:fs";
const kind=process.argv[2]??"sqlite", turns=Number(process.argv[3]??300), quiet=process.argv[4]==="q";
rmSync("/tmp/ws/grow.db",{force:true});rmSync("/tmp/ws/grow.db-wal",{force:true});rmSync("/tmp/ws/grow.db-shm",{force:true});
const storage= kind==="sqlite"?sqliteStorage("/tmp/ws/grow.db"):memoryStorage();
const run=startGraph(new WaystoneSaver(storage));
const ts=[];
for(let i=1;i<=turns;i++){const s=process.cpuUsage();const t=performance.now();await run.turn();const u=process.cpuUsage(s);ts.push([performance.now()-t,(u.user+u.system)/1000]);
 if([10,100,300,600,1000].includes(i)){const w=ts.slice(-20);const med=k=>w.map(x=>x[k]).sort((a,b)=>a-b)[w.length>>1];console.log(i,"wall",med(0).toFixed(2),"cpu",med(1).toFixed(2));}}
await storage.close();
