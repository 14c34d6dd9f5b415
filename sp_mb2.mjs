import { HumanMessage, AIMessage, ToolMessage } from "@langchain/core/messages";
const A = await import("/tmp/ws/sp_base/dist/adapters/langgraph/snapshots.js"), B=await import("./dist/adapters/langgraph/snapshots.js");
const N=2000, no=()=>false;
const src=[]; for(let i=0;i<N;i++) src.push(i%2?new AIMessage({content:"answer "+i+" x".repeat(500),id:"id"+i}):new HumanMessage({content:"question "+i+" x".repeat(250),id:"id"+i}));
const rich=[]; for(let i=0;i<N;i++) rich.push(i%3===2?new ToolMessage({content:"result",tool_call_id:"c"+i,id:"t"+i,name:"search"}):i%3?new AIMessage({content:[{type:"text",text:"a "+i}],id:"id"+i,tool_calls:[{name:"search",args:{q:"x"+i,n:0},id:"c"+i,type:"tool_call"}],usage_metadata:{input_tokens:1,output_tokens:2,total_tokens:3},response_metadata:{model:"m",finish_reason:"stop"}}):new HumanMessage({content:"question "+i,id:"id"+i}));
const med=a=>[...a].sort((x,y)=>x-y)[a.length>>1];
let sink=0;
for(const [what,list] of [["plain",src],["rich",rich]]){
const sA=list.map(m=>A.snapshotOf(m,no)), sB=list.map(m=>B.snapshotOf(m,no));
let mA=sA.map(A.revived), mB=sB.map(B.revived);
const ab=(name,f,g)=>{ const a=[],b=[]; for(let i=0;i<80;i++){ let t=performance.now(); f(); a.push(performance.now()-t); t=performance.now(); g(); b.push(performance.now()-t);} console.log(what,name.padEnd(12),"base",(med(a)*1e6/N).toFixed(0),"new",(med(b)*1e6/N).toFixed(0),"ns/msg ratio",(med(b)/med(a)).toFixed(3)); };
for(let r=0;r<2;r++){
ab("isUnchanged",()=>{for(let i=0;i<N;i++) if(A.isUnchanged(mA[i],sA[i])) sink++;},()=>{for(let i=0;i<N;i++) if(B.isUnchanged(mB[i],sB[i])) sink++;});
ab("revive",()=>{mA=sA.map(A.revived)},()=>{mB=sB.map(B.revived)});
ab("snapshot",()=>{for(const m of mA) A.snapshotOf(m,no)},()=>{for(const m of mB) B.snapshotOf(m,no)});
}}
