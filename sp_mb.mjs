import { HumanMessage, AIMessage } from "@langchain/core/messages";
const { snapshotOf, isUnchanged, revived } = await import("./dist/adapters/langgraph/snapshots.js");
const N=2000; const no=()=>false;
const src=[]; for(let i=0;i<N;i++) src.push(i%2?new AIMessage({content:"answer "+i+" x".repeat(500),id:"id"+i}):new HumanMessage({content:"question "+i+" x".repeat(250),id:"id"+i}));
for (const m of src) m.lc_kwargs; 
const snaps=src.map(m=>snapshotOf(m,no));
let msgs=snaps.map(revived);
console.log(Object.keys(msgs[1]), Object.keys(src[1]));
const bench=(name,f)=>{ const ts=[]; for(let i=0;i<60;i++){const s=process.cpuUsage().user; const t=performance.now(); f(); ts.push(performance.now()-t);} ts.sort((a,b)=>a-b); console.log(name.padEnd(28),"min",(ts[0]*1000/N).toFixed(0)+"ns/msg","med",(ts[30]*1000/N*1).toFixed(3)+"us"); };
let sink=0;
for(let r=0;r<2;r++){
bench("isUnchanged",()=>{ for(let i=0;i<N;i++) if(isUnchanged(msgs[i],snaps[i])) sink++; });
bench("revive",()=>{ msgs=snaps.map(revived); });
bench("getOwnPropertySymbols {}",()=>{ for(let i=0;i<N;i++) sink+=Object.getOwnPropertySymbols(msgs[i].additional_kwargs).length; });
bench("Reflect.ownKeys {}",()=>{ for(let i=0;i<N;i++) sink+=Reflect.ownKeys(msgs[i].additional_kwargs).length; });
bench("Object.keys {}",()=>{ for(let i=0;i<N;i++) sink+=Object.keys(msgs[i].additional_kwargs).length; });
bench("for in {}",()=>{ for(let i=0;i<N;i++) for(const k in msgs[i].additional_kwargs) sink++; });
bench("for in msg",()=>{ for(let i=0;i<N;i++) for(const k in msgs[i]) sink++; });
bench("for in msg + get",()=>{ for(let i=0;i<N;i++) {const m=msgs[i]; for(const k in m) if(m[k]===undefined) sink++; }});
bench("Object.keys msg",()=>{ for(let i=0;i<N;i++) sink+=Object.keys(msgs[i]).length; });
bench("Object.keys [] ",()=>{ for(let i=1;i<N;i+=2) sink+=Object.keys(msgs[i].tool_calls).length; });
bench("hasFurther [] (for in)",()=>{ for(let i=1;i<N;i+=2) for(const k in msgs[i].tool_calls) sink++; });
bench("getProto",()=>{ for(let i=0;i<N;i++) if(Object.getPrototypeOf(msgs[i])===AIMessage.prototype) sink++; });
bench("new AIMessage",()=>{ for(let i=0;i<N;i++) msgs[i]=new AIMessage({content:"x",id:"i",additional_kwargs:{},response_metadata:{},tool_calls:[],invalid_tool_calls:[]}); });
bench("spread clone",()=>{ const o=snaps.map(revived); for(let i=0;i<N;i++) sink+= ({...o[i]}).content.length; });
msgs=snaps.map(revived);
}
